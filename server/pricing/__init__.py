"""What a token and a device cost on a day, and what a tenant may spend."""

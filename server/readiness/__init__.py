"""Whether the server can serve, why not, and what it did when it could not."""

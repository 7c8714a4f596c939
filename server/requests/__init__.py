"""A request from its first byte to its record."""

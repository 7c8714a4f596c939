"""Holds what the clients of a run saw against what the server says of the same requests."""

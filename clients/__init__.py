"""Clients that people have talk to the running server; what it recorded is held against them."""

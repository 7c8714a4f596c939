"""Starts, watches and questions the stack, with the standard library only: it runs uninstalled."""

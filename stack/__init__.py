"""Starts, watches and questions the whole stack; standard library only, so it runs before any install."""

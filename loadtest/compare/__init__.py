"""Holds load runs against each other: what got worse, and whether that can be told at all."""

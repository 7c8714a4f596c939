"""The engine core process: which request was in which step, and for how long."""

"""The ASGI side: who may ask, what is refused in front, what the caller is told."""

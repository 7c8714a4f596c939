"""Which way to run, what must hold before a start, and when every part is ready."""

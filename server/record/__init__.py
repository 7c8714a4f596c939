"""The frozen record of a request: what it was, how it ended; imports nothing of ours."""

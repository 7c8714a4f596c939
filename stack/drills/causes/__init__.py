"""The causes, by what they strike; each is a context that takes its cause away at its end."""

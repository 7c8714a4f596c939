"""The observed vLLM server: one RequestRecord per request, read by RED, cost, traces, logs."""

__version__ = "0.1.0"
"""Of what we make: it stands on the spans' scope. vLLM's own is service.version."""

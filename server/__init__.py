"""The observed vLLM server: one RequestRecord per request, read by RED, cost, traces, logs."""

"""What leaves: instruments, traces, log lines, /metrics, and what keeps callers out of them."""

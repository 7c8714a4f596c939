"""What fires now, read from Prometheus and Alertmanager, with a trace and a first step."""

"""Who is told of an alert: read from `.env`, checked, and written down for Alertmanager."""

"""The boards as Python; `python -m grafana.dashboards` writes them to `generated/`."""

"""Pictures without Grafana: each board's panels asked of the live stores, judged and drawn."""

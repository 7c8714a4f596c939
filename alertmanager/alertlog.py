"""Alertmanager's default receiver: each state change of an alert becomes one OTLP log record."""

import os

from alertmanager.delivery import ALERTS, RESULTS, AlertLog, exporter_to
from alertmanager.server import Server


def main() -> None:
    """Serve until ended; ALERTLOG_HOST and ALERTLOG_OTLP_ENDPOINT say where to listen and send."""
    endpoint = os.environ.get("ALERTLOG_OTLP_ENDPOINT", "http://127.0.0.1:4318").rstrip("/")
    if not endpoint.startswith(("http://", "https://")):
        fix = "must begin with http:// or https://, such as http://127.0.0.1:4318"
        raise SystemExit(f"environment: ALERTLOG_OTLP_ENDPOINT: '{endpoint}' {fix}")
    for result in RESULTS:
        ALERTS.labels(result)
    host = os.environ.get("ALERTLOG_HOST", "127.0.0.1")
    Server((host, 9095), AlertLog(exporter_to(endpoint))).serve_forever()


if __name__ == "__main__":
    main()

"""Alertmanager's default receiver: it logs each alert, and serves what an alert's links lead to."""

import os

from alertmanager import settings
from alertmanager.delivery import ALERTS, RESULTS, AlertLog, exporter_to
from alertmanager.heartbeat import Heartbeat
from alertmanager.links import Links
from alertmanager.newest import Newest
from alertmanager.pages import Pages
from alertmanager.routes import Desk
from alertmanager.runbooks import Library
from alertmanager.server import Server
from alertmanager.worst import Worst


def build(found: settings.Settings, port: int = settings.PORT) -> Server:
    """The whole of alertlog, listening."""
    worst = Worst(found.prometheus) if found.prometheus else None
    newest, heartbeat = Newest(), Heartbeat()
    desk = Desk(Library(found.docs), Links(Pages(found), worst), newest, heartbeat)
    alertlog = AlertLog(exporter_to(found.otlp), worst)
    return Server((found.host, port), alertlog, desk, newest, heartbeat)


def main() -> None:
    """Serve until ended; alertmanager/settings.py has the variables."""
    found = settings.load(os.environ)
    for result in RESULTS:
        ALERTS.labels(result)
    build(found).serve_forever()


if __name__ == "__main__":
    main()

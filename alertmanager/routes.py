"""What alertlog answers to a GET: an address and its query in, an answer out."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from urllib.parse import parse_qsl, quote, unquote

from alertmanager import arrived
from alertmanager.frame import message
from alertmanager.heartbeat import Heartbeat
from alertmanager.links import Links, NothingError, Query, RefusedError
from alertmanager.newest import Newest
from alertmanager.runbooks import Library

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
OF_ALERT = "/runbooks/alert/"
"""Before an alert's name: for a board, which knows no chapter."""
OF_NUMBER = "/numbers/"
"""Before a metric's or a recorded name: for a panel, which knows what it reads and no page."""
ARRIVED = "/alerts/newest"
INDEX = (
    "GET /health, /metrics, /runbooks/, /runbooks/CHAPTER, /runbooks/alert/NAME, /docs/NAME,\n"
    "/numbers/NAME, /alerts, /alerts/newest, /alerts/newest/NAME, /alerts/logged,\n/heartbeat,\n"
    "/trace?selector=SELECTOR&at=UNIX_SECONDS, /logs?at=UNIX_SECONDS&model=NAME;\n"
    "POST /alerts, /heartbeat\n"
)


@dataclass(frozen=True)
class Answer:
    """A status, a body and its type; `location` is where a redirect leads."""

    status: int
    text: str
    kind: str = TEXT
    location: str = ""


class Desk:
    """Answers what is asked about alerts, out of what it is given."""

    def __init__(
        self, library: Library, links: Links, newest: Newest, heartbeat: Heartbeat
    ) -> None:
        self._library = library
        self._newest = newest
        self._heartbeat = heartbeat
        self._plain: dict[str, Callable[[], Answer]] = {
            "/health": lambda: Answer(200, "ok\n"),
            "/runbooks": lambda: Answer(308, "", location="/runbooks/"),
            "/runbooks/": lambda: Answer(200, library.index(), HTML),
            "/alerts": self._alerts,
            ARRIVED: lambda: Answer(200, arrived.show(newest.listing(), newest.since), HTML),
            "/heartbeat": self._pulse,
        }
        self._leading = {
            "/trace": links.trace,
            "/logs": links.logs,
            arrived.LOGGED: links.alerts,
        }
        self._named: dict[str, Callable[[str], str | None]] = {
            OF_ALERT: library.of_alert,
            OF_NUMBER: library.of_number,
        }

    def get(self, target: str) -> Answer:
        """The answer to a GET of a path and a query."""
        path, _, query = target.partition("?")
        if path in self._plain:
            return self._plain[path]()
        if path in self._leading:
            return self._led(path, query)
        if path.startswith(f"{ARRIVED}/"):
            return self._there(self._of_arrived(path.removeprefix(f"{ARRIVED}/"), query))
        # Names are compared as they were sent: nothing that is escaped is a name of ours.
        for before, find in self._named.items():
            if path.startswith(before):
                return self._there(find(path.removeprefix(before)))
        shown = self._library.show(path)
        return Answer(404, INDEX) if shown is None else Answer(200, shown, HTML)

    def _led(self, path: str, query: str) -> Answer:
        try:
            return Answer(302, "", location=self._leading[path](Query(query)))
        except RefusedError as refused:
            said = message("This link is not one of ours", f"{path}: {refused}.")
            return Answer(400, said, HTML)
        except NothingError as nothing:
            said = message("Nothing to show", nothing.why, nothing.fix)
            return Answer(nothing.status, said, HTML)

    def _there(self, place: str | None) -> Answer:
        return Answer(302, "", location=place) if place else Answer(404, INDEX)

    def _of_arrived(self, sent: str, query: str) -> str | None:
        """The alert's place among those that came, or its runbook: before the start others did.

        Its labels tell it from others of its name; a board's empty cells are none.
        """
        name = unquote(sent)
        place = arrived.place(self._newest.listing(), name, dict(parse_qsl(query)))
        return f"{ARRIVED}#{quote(place)}" if place else self._library.of_alert(name)

    def _alerts(self) -> Answer:
        return Answer(200, json.dumps({"alerts": self._newest.listing()}, indent=1) + "\n", JSON)

    def _pulse(self) -> Answer:
        pulse = self._heartbeat.pulse()
        return Answer(200 if pulse.status == "ok" else 503, json.dumps(asdict(pulse)) + "\n", JSON)

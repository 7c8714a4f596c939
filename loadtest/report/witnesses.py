"""What the stack saw during the run: the alerts that fired, and the boards as pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from grafana.pictures import evaluate, page, picture
from grafana.pictures.board import Board
from grafana.pictures.expand import SCRAPE_SECONDS
from grafana.pictures.stores import Stores
from stack.errors import Fault
from stack.stores.protocol import StoreError, Window

FIRING = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
WATCHED = 'count(count_over_time(up{{job="llm-server"}}[{seconds:.0f}s]))'
FOLDER = "boards"
_POINTS = 500
_NAMED = ("__name__", "alertname", "alertstate", "severity")
T = TypeVar("T")


@dataclass(frozen=True)
class Alert:
    """An alert that fired, and when it was seen first and last; Unix seconds, a step apart."""

    name: str
    severity: str
    labels: dict[str, str]
    first: float
    last: float


@dataclass(frozen=True)
class Picture:
    """A board's PNG over the run, and which of its panels have no data."""

    title: str
    path: Path
    without_data: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What the stores told; `alerts` is None where Prometheus did not, `unanswered` says why.

    It was asked for every `step` seconds, and had looked at the server in the share `watched` of
    them: of the rest nobody knows what would have fired.
    """

    alerts: tuple[Alert, ...] | None
    watched: float
    step: float
    pictures: tuple[Picture, ...]
    unanswered: tuple[str, ...]


def opened(said: dict[str, None]) -> Stores | None:
    """The stores of the stack; None, and why among what is said, where their names are wrong."""
    return _said(Stores, said)


def look(
    stores: Stores | None,
    window: Window,
    folder: Path,
    boards: Sequence[Board],
    said: dict[str, None],
) -> Seen:
    """Ask for the alerts and draw the boards into the folder; `said` are reasons, each once."""
    step = max(SCRAPE_SECONDS, window.seconds // _POINTS)
    if stores is None:
        return Seen(None, 0.0, step, (), tuple(said))
    share = _said(lambda: watched(stores, window, step), said) or 0.0
    if not share and not said:
        said["Prometheus has no sample of the server from the time of the run"] = None
    alerts = _said(lambda: fired(stores, window, step), said) if share else None
    drawn = (_said(partial(_draw, stores, one, window, folder), said) for one in boards)
    pictures = tuple(each for each in drawn if each is not None)
    return Seen(alerts, share, step, pictures, tuple(said))


def _said(ask: Callable[[], T], said: dict[str, None]) -> T | None:
    try:
        return ask()
    except (StoreError, Fault) as error:
        said[str(error)] = None
        return None


def watched(stores: Stores, window: Window, step: float) -> float:
    """The share of the window's steps in which Prometheus looked at the server."""
    query = WATCHED.format(seconds=max(step, 2 * SCRAPE_SECONDS))
    found = stores.prometheus_range(query, window, step)
    steps = window.end // step - window.start // step + 1
    return len({at for series in found for at, _ in series["values"]}) / steps


def fired(stores: Stores, window: Window, step: float) -> tuple[Alert, ...]:
    """The alerts that fired in the window, looked for every `step` seconds; raises StoreError."""
    found = []
    for series in stores.prometheus_range(FIRING, window, step):
        times = [float(at) for at, _ in series["values"] if float(at) >= window.start]
        labels = {key: value for key, value in series["metric"].items() if key not in _NAMED}
        name, severity = (series["metric"].get(key, "") for key in ("alertname", "severity"))
        if times:
            found.append(Alert(name, severity, labels, min(times), max(times)))
    return tuple(sorted(found, key=lambda alert: (alert.first, alert.name)))


def _draw(stores: Stores, one: Board, window: Window, folder: Path) -> Picture:
    asked = evaluate.page(stores, one, window.end, {}, window.seconds)
    path = folder / FOLDER / page.picture_name(asked)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(asked, path)
    missing = (answer.panel.title for answer in asked.answers if answer.missing)
    return Picture(one.title, path, tuple(missing))

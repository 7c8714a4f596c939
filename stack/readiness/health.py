"""Waits until every part is ready, and notices at once when one cannot become so."""

import time
import xmlrpc.client
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from stack.errors import Fault
from stack.http import probe
from stack.native.supervisor import Process
from stack.parts.table import Part
from stack.run import last_error
from stack.say import Ticker, clock, paint, say, ticking
from stack.settings import Settings

MOST_RESTARTS = 2
_DEAD = ("FATAL", "EXITED", "UNKNOWN")
Look = Callable[[], Mapping[str, Process]]


@dataclass
class Watch:
    """What has been seen of the parts so far: their starts, and when each became ready (s)."""

    settings: Settings
    aloud: bool = True
    starts: dict[str, set[int]] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)

    def judge(self, processes: Mapping[str, Process]) -> None:
        """Raise Fault for a part that gave up or keeps restarting."""
        for name, process in processes.items():
            seen = self.starts.setdefault(name, set())
            seen.add(process.started)
            if process.state in _DEAD:
                self._fail(name, f"{name} could not start")
            if len(seen - {0}) > MOST_RESTARTS + 1:
                self._fail(name, f"{name} keeps restarting")

    def _fail(self, name: str, problem: str) -> None:
        log = self.settings.logs / f"{name}.log"
        raise Fault(f"{problem}: {last_error(log)}", f"read {log}, mend it, then `make up`")


def _note_ready(watch: Watch, waiting: Iterable[Part], ticker: Ticker) -> None:
    for part in [part for part in waiting if probe(part.probe_url, timeout=1.0)]:
        watch.ready[part.name] = ticker.elapsed()
        if watch.aloud:
            took = paint(clock(ticker.elapsed()), "dim")
            say(f"  {paint('✓', 'green')} {part.name} ready {took}")


def _expired(settings: Settings, waiting: list[Part], limit: float) -> Fault:
    first = waiting[0].name
    names = ", ".join(part.name for part in waiting)
    log = settings.logs / f"{first}.log"
    return Fault(
        f"not ready after {limit:.0f} s: {names}; last of {first}: {last_error(log)}",
        f"read {log}, or allow more with START_SECONDS=600 make up",
    )


def wait(
    settings: Settings, wanted: tuple[Part, ...], look: Look, aloud: bool = True
) -> dict[str, float]:
    """Wait for all parts; returns the seconds each took, raises Fault when one fails."""
    limit = float(settings.values.get("START_SECONDS") or 300)
    watch = Watch(settings, aloud)
    with ticking("waiting") as ticker:
        while waiting := [part for part in wanted if part.name not in watch.ready]:
            ticker.label = f"waiting for {', '.join(part.name for part in waiting)}"
            watch.judge(_looked(look))
            _note_ready(watch, waiting, ticker)
            if ticker.elapsed() > limit:
                raise _expired(settings, waiting, limit)
            time.sleep(0.5)
    return watch.ready


def _looked(look: Look) -> Mapping[str, Process]:
    try:
        return look()
    except (OSError, xmlrpc.client.Error) as error:
        raise Fault(f"supervisord went away: {error}", "make down && make up") from error

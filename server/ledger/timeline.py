"""What each nanosecond of the devices was for: the engine's reports in, nanoseconds per part out.

It knows no clock, no lock, no request and no money: only what it is told. Its cursor is
CLOCK_MONOTONIC since the process started; between two reports of the engine it takes time as idle
while it passes, up to the moment at which a request is handed over (docs/cost.md).
"""

from typing import NamedTuple

from server.ledger.bill import Part
from server.wire.report import Report


class Span(NamedTuple):
    """So many nanoseconds were for this."""

    part: Part
    nanoseconds: int


class Timeline:
    """Splits the time since `start` (ns) into spans; each method returns those that it found.

    What requests used is in no span: it is in the reports, as settlements. `error` is the engine's
    cursor less all that is accounted for, ns; `fault` says why nothing is any more.
    """

    def __init__(self, start: int) -> None:
        self._start = self._until = start
        self._ready = False
        self._last: Report | None = None
        self._credit = 0
        self._settled = 0
        self._time = dict.fromkeys(Part, 0)
        self.error = 0
        self.fault = ""

    def ready(self) -> None:
        """Start-up ends where the time taken so far does."""
        self._ready = True

    def receive(self, report: Report) -> list[Span]:
        """Take in the engine's books; its settlements are accounted for from here on."""
        spans = self._begin(report) if self._last is None else []
        spans += self._idle(report)
        spans += self._spans(Part.STALL, report.stall - (self._last.stall if self._last else 0))
        for settlement in report.settlements:
            self._settled += settlement.nanoseconds
        self._last = report
        self._until = max(self._until, report.cursor)
        self.error = report.cursor - self._start - self._accounted(report)
        return spans

    def _begin(self, report: Report) -> list[Span]:
        # Until here time was taken as start-up and idle by our own clock.
        self._credit = max(0, self._until - report.origin)
        return self._spans(Part.START_UP, max(0, report.origin - self._until))

    def _idle(self, report: Report) -> list[Span]:
        passed = report.idle - (self._last.idle if self._last else 0)
        new = max(0, passed - self._credit)
        self._credit = max(0, self._credit - passed)
        return self._spans(Part.IDLE, new)

    def _accounted(self, report: Report) -> int:
        taken = self._time[Part.START_UP] + self._time[Part.IDLE] + self._time[Part.STALL]
        return taken - self._credit + self._settled + report.open

    def _spans(self, part: Part, nanoseconds: int) -> list[Span]:
        # Most steps have neither idle time before them nor a stall.
        if not nanoseconds:
            return []
        self._time[part] += nanoseconds
        return [Span(part, nanoseconds)]

    @property
    def taken(self) -> int:
        """Nanoseconds in all spans and all settlements so far."""
        return sum(self._time.values()) + self._settled

    def tick(self, now: int, busy: bool) -> list[Span]:
        """Take what has passed for certain; `busy` when the engine may have a request by now."""
        part = self._passing(busy)
        if part is None:
            return []
        passed = max(0, now - self._until)
        self._credit += 0 if self._last is None or self.fault else passed
        self._until += passed
        return self._spans(part, passed)

    def _passing(self, busy: bool) -> Part | None:
        if self.fault:
            return Part.LOST
        if not self._ready:
            return Part.START_UP
        return None if busy or (self._last and self._last.open) else Part.IDLE

    def fail(self, now: int, fault: str) -> list[Span]:
        """Nothing is measured any more: what is not settled is lost, and all that comes."""
        self.fault = fault
        return self.lose(now)

    def lose(self, now: int) -> list[Span]:
        """What the engine did not settle is lost."""
        lost = self._unsettled + self._pass(now)
        self._last = self._last._replace(open=0) if self._last else None
        return self._spans(Part.LOST, lost)

    def end(self, now: int) -> list[Span]:
        """The engine had nothing to do up to the end."""
        return self._spans(Part.IDLE, self._pass(now))

    def _pass(self, now: int) -> int:
        passed = max(0, now - self._until)
        self._until += passed
        return passed

    @property
    def _unsettled(self) -> int:
        return self._last.open if self._last else 0

    def open(self, now: int) -> int:
        """Nanoseconds in no span and no settlement yet.

        The time since the last report is an estimate: it may yet turn out to be a stall.
        """
        since = max(0, now - self._until) if self._ready and not self.fault else 0
        return self._unsettled + since

"""Which processes served the run, and by how much their counters grew in all.

A process that ends unasked takes with it what it counted after its last scrape: the time from that
scrape to the next process's start is a gap, in which a record may have been counted or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from loadtest.reconcile.tally import COST, Tally, less, of_samples, plus
from loadtest.rows import Run
from stack.evidence.scrape import Sample, parse

_START = "process_start_time_seconds"
SENT_WITHIN_NS = 2_000_000_000
"""Spans and records leave within half a second, and a push takes a while."""


class Scrapes(Protocol):
    """What Prometheus keeps of the server."""

    def starts(self, begin: float, end: float) -> list[tuple[float, float]] | None:
        """(Unix time of the scrape, start of the process) by time, None without an answer."""

    def counters(self, moment: float) -> list[Sample] | None:
        """The server's counters as last scraped at a Unix time, None where there are none."""


@dataclass(frozen=True)
class Growth:
    """What was counted over the run. `gaps` are stretches of Unix nanoseconds, see above.

    `tally` is None where it cannot be known, for the reason in `why`. `rounding` is how far the
    microdollars may be off, which the server adds up as doubles.
    """

    tally: Tally | None
    restarted: bool
    rounding: float = 0.0
    gaps: tuple[tuple[int, int], ...] = ()
    why: str = ""
    noted: tuple[str, ...] = ()


def died_beside(grown: Growth, ended_ns: int) -> bool:
    """Tell whether a request that ended then may have lost its span or record with a process."""
    return any(begin - SENT_WITHIN_NS <= ended_ns <= end for begin, end in grown.gaps)


def samples_of(exposed: Mapping[str, float]) -> list[Sample]:
    """Series as exposed, as samples."""
    return [one for name, value in exposed.items() for one in parse(f"{name} {value!r}")]


def growth(run: Run, scrapes: Scrapes, killed: bool) -> Growth:
    """By how much the counters grew; `killed` is True where a request of the run died with one."""
    began, ended = run.started_ns / 1e9, run.ended_ns / 1e9
    scraped = scrapes.starts(began, ended)
    first, last = (samples_of(each or {}) for each in (run.before, run.after))
    starts = _starts(first, scraped or [], last)
    grown = less(of_samples(last), of_samples(first))
    fell = run.after is not None and any(value < 0 for value in grown.values())
    restarted = killed or fell or len(starts) > 1
    if run.before is None or run.after is None:
        when = "before" if run.before is None else "after"
        return Growth(None, restarted, why=f"the server did not answer {when} the run")
    if not restarted:
        return Growth(grown, restarted=False, rounding=_rounding(of_samples(last)))
    if len(starts) < 2:
        why = f"a process ended in the run, and its {_START} is nowhere to be read"
        return Growth(None, restarted, why=why)
    return _over(_Served(began, starts, scraped or [], first, last), scrapes)


def _starts(
    first: Sequence[Sample], scraped: Sequence[tuple[float, float]], last: Sequence[Sample]
) -> list[float]:
    """When each process of the run started, in that order."""
    before, after = ([one.value for one in each if one.name == _START] for each in (first, last))
    # The first scrape of the run may be of the process before that of `before`.
    eldest = min(before, default=0.0)
    every = {*before, *after, *(start for _, start in scraped)}
    return sorted(start for start in every if start >= eldest)


@dataclass(frozen=True)
class _Served:
    began: float
    starts: list[float]
    scraped: list[tuple[float, float]]
    first: list[Sample]
    last: list[Sample]


def _over(served: _Served, scrapes: Scrapes) -> Growth:
    """The sum over the processes; each but the last as far as Prometheus saw it."""
    whole, gaps, noted = of_samples(served.last), [], []
    for number, (start, following) in enumerate(
        zip(served.starts, served.starts[1:], strict=False)
    ):
        seen = max((at for at, of in served.scraped if of == start), default=None)
        counted = None if seen is None else scrapes.counters(seen)
        if seen is None or counted is None:
            # Nothing of it is known beyond what it had before the run.
            seen = max(start, served.began)
            noted.append(f"Prometheus has no scrape in the run of the process of {start:.2f}")
        else:
            whole = plus(whole, of_samples(counted))
            whole = less(whole, of_samples(served.first)) if number == 0 else whole
            since = following - seen
            noted.append(f"last scrape {since:.1f} s before the next process's start")
        gaps.append((int(seen * 1e9), int(following * 1e9)))
    return Growth(
        whole,
        True,
        _rounding(plus(whole, of_samples(served.first))),
        tuple(gaps),
        noted=tuple(noted),
    )


def _rounding(counted: Tally) -> float:
    return 1e-9 * counted.get(COST, 0.0) + 1e-6

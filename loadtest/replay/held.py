"""A replay held against what was recorded: what has to be equal, and what is told beside it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from loadtest.plan import Past, Plan
from loadtest.ranks import at_rank
from loadtest.reconcile.findings import AGREES, DIFFERS, NOTE, Remark
from loadtest.replay.recorded import HUNG_UP, Recorded
from loadtest.replay.side_by_side import Latencies
from loadtest.rows import Row

LATE_SECONDS = 0.01
"""p99 of how late the generator began its requests is below this, or times were not repeated."""


def findings(plan: Plan, rows: Sequence[Row], replayed: Sequence[Recorded]) -> list[Remark]:
    """What the server recorded of the replay's rows beside what it recorded then."""
    return [
        *_completed(plan, replayed),
        _hung_up(plan, replayed),
        _cached(plan, replayed),
        _late(rows),
        *(Remark(NOTE, f"not repeated: {count:,}: {why}") for why, count in plan.left_out.items()),
    ]


def _completed(plan: Plan, replayed: Sequence[Recorded]) -> Iterator[Remark]:
    then = Counter(
        (each.input, each.past.output_tokens, each.stream)
        for each in plan.requests
        if each.past.outcome == "ok"
    )
    now = Counter(
        (each.input, each.output, each.stream) for each in replayed if each.outcome == "ok"
    )
    yield _equal("completed requests", then.total(), now.total())
    for what, place in (("input tokens of them", 0), ("output tokens of them", 1)):
        yield _equal(what, _sum(then, place), _sum(now, place))
    alike = (then & now).total()
    mark = AGREES if alike == then.total() == now.total() else DIFFERS
    yield Remark(mark, f"of these lengths, streamed or not: {alike:,} of {then.total():,}")


def _sum(of: Counter[tuple[int, int, bool]], place: int) -> int:
    return sum(each[place] * count for each, count in of.items())


def _equal(what: str, then: int, now: int) -> Remark:
    mark = AGREES if then == now else DIFFERS
    return Remark(mark, f"{what}: {then:,} recorded, {now:,} replayed")


def _hung_up(plan: Plan, replayed: Iterable[Recorded]) -> Remark:
    then = sum(each.hang_up is not None for each in plan.requests)
    now = sum(each.outcome in HUNG_UP for each in replayed)
    return Remark(NOTE, f"ended early, by time: {then:,} recorded, {now:,} replayed")


def _cached(plan: Plan, replayed: Iterable[Recorded]) -> Remark:
    text = f"cached input tokens: {plan.cached_recorded:,} recorded,"
    text += f" {plan.cached_planned:,} that prompts of the window share, "
    return Remark(NOTE, text + f"{sum(each.cached for each in replayed):,} replayed")


def _late(rows: Iterable[Row]) -> Remark:
    late = sorted(row.schedule_delay_seconds for row in rows)
    if not late:
        return Remark(DIFFERS, "nothing was sent")
    p99 = at_rank(late, 99)
    mark = AGREES if p99 < LATE_SECONDS else DIFFERS
    limit = f"below {LATE_SECONDS * 1000:.0f} ms"
    return Remark(mark, f"schedule error p99 {p99 * 1000:.1f} ms, which has to be {limit}")


def latencies_then(plan: Plan) -> Latencies:
    """What was recorded of the completed requests, in seconds."""
    return _latencies([each.past for each in plan.requests if each.past.outcome == "ok"])


def latencies_now(replayed: Iterable[Recorded]) -> Latencies:
    """The same of the replay: both sides are the server's own."""
    return _latencies([each for each in replayed if each.outcome == "ok"])


def _latencies(of: Sequence[Past] | Sequence[Recorded]) -> Latencies:
    return {
        "TTFT": [each.ttft for each in of if each.ttft is not None],
        "TPOT": [each.tpot for each in of if each.tpot is not None],
        "end to end": [each.duration for each in of if each.duration is not None],
    }

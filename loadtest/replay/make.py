"""The plan of a replay, out of the requests that were recorded in its window."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.plan import Past, Plan, Planned
from loadtest.replay.prefixes import Stretches, prompts
from loadtest.replay.recorded import HUNG_UP, Recorded, why_not
from loadtest.replay.served import Served
from loadtest.replay.window import named
from stack.errors import Fault

PATIENCE_SECONDS, MOST_PATIENCE_SECONDS, SLOWER = 120.0, 3600.0, 3
"""A client waits three times as long as the longest request took, within these."""
LEAST_SECONDS, TAIL_SECONDS = 5.0, 1.0


@dataclass(frozen=True)
class Wanted:
    """What a replay is asked to be: the window in Unix seconds, and what prompts are drawn from."""

    since: float
    until: float
    source: str
    seed: int
    ids: tuple[int, int]


def plan(every: Sequence[Recorded], served: Served, wanted: Wanted) -> Plan:
    """The plan; raises Fault where nothing can be repeated, or what can is too long."""
    where = f"{wanted.source} from {named(wanted.since)} to {named(wanted.until)}"
    if not every:
        fix = "choose another window in SINCE and UNTIL"
        raise Fault(f"no request_finished record in {where}", fix)
    left_out = Counter(filter(None, (why_not(each, served.longest) for each in every)))
    chosen = [each for each in every if not why_not(each, served.longest)]
    if not chosen:
        reasons = "; ".join(f"{count:,}: {why}" for why, count in left_out.most_common())
        raise Fault(f"none of {len(every):,} requests in {where} can be repeated ({reasons})")
    _check_lengths(chosen, served)
    made = list(prompts(chosen, served.block))
    return Plan(
        seed=wanted.seed,
        ids=wanted.ids,
        block=served.block,
        seconds=max(LEAST_SECONDS, chosen[-1].started - chosen[0].started + TAIL_SECONDS),
        patience=_patience(chosen),
        since=wanted.since,
        until=wanted.until,
        source=wanted.source,
        left_out=dict(left_out.most_common()),
        cached_recorded=sum(each.cached for each in chosen),
        cached_planned=sum(shared for _, shared in made) if served.caches else 0,
        requests=tuple(
            _planned(each, chosen[0].started, prompt, served.longest[each.model])
            for each, (prompt, _) in zip(chosen, made, strict=True)
        ),
    )


def _check_lengths(chosen: Sequence[Recorded], served: Served) -> None:
    worst = max(chosen, key=lambda each: _length(each) - served.longest[each.model])
    most = served.longest[worst.model]
    if _length(worst) > most:
        count = sum(_length(each) > served.longest[each.model] for each in chosen)
        problem = f"{count:,} requests are longer than {worst.model} can take here"
        problem += f" (one has {_length(worst):,} tokens, the model {most:,})"
        raise Fault(problem, "serve it with a larger --max-model-len, or choose another window")


def _length(each: Recorded) -> int:
    return each.input + max(1, each.output)


def _patience(chosen: Sequence[Recorded]) -> float:
    longest = max(each.duration or 0.0 for each in chosen)
    return min(MOST_PATIENCE_SECONDS, max(PATIENCE_SECONDS, SLOWER * longest))


def _planned(each: Recorded, first: float, prompt: Stretches, longest: int) -> Planned:
    gone = each.outcome in HUNG_UP
    duration = each.duration or 0.0
    return Planned(
        due=each.started - first,
        tenant=each.tenant,
        model=each.model,
        # Who left early had asked for more than came; how much more, nobody recorded.
        output=longest - each.input if gone else each.output,
        stream=each.stream,
        prompt=prompt,
        hang_up=duration if gone else None,
        past=Past(each.outcome, each.output, each.cached, duration, each.ttft, each.tpot),
    )

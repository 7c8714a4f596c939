"""A planned request as a visit: its prompt's tokens drawn from the seed, its length exact."""

import json
import random

from loadtest.generator.people import COMPLETIONS, Ask, Visit
from loadtest.plan import REST, Plan, Planned
from loadtest.target import Keys

SENT, HUNG_UP = "recorded", "recorded hang up"
KINDS = (SENT, HUNG_UP)
"""What the rows of a replay are called."""


def tokens(plan: Plan, planned: Planned) -> list[int]:
    """The ids of its prompt, the same whoever draws them."""
    low, high = plan.ids
    found: list[int] = []
    for owner, end in planned.prompt:
        # The beginning of a stream does not depend on how much of it is drawn.
        dice = random.Random(f"{plan.seed}/{owner}")
        found += dice.choices(range(low, high + 1), k=end)[len(found) :]
    return found


def visit(plan: Plan, number: int, keys: Keys) -> Visit:
    """What the plan's request of that number does; who has no key of its own runs as the rest."""
    planned, known = plan.requests[number], dict(keys)
    tenant = planned.tenant if planned.tenant in known else REST
    kind = SENT if planned.hang_up is None else HUNG_UP
    ask = Ask(COMPLETIONS, _body(plan, planned), planned.stream, seconds=planned.hang_up)
    return Visit(str(number), kind, (ask,), tenant, known.get(tenant, ""), planned.model)


def _body(plan: Plan, planned: Planned) -> bytes:
    body = {
        "model": planned.model,
        "prompt": tokens(plan, planned),
        "max_tokens": planned.output,
        "ignore_eos": True,
    }
    usage = {"stream": True, "stream_options": {"include_usage": True}} if planned.stream else {}
    return json.dumps(body | usage, separators=(",", ":")).encode()

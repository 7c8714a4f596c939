"""The plan of a replay: each request by its lengths and its moment, with what was recorded of it.

`make replay` writes it from log records, the generator sends it. It holds no text: a prompt is
tokens that are drawn again from the plan's seed.
"""

import json
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

PLAN = "plan.jsonl"
VERSION = 1
REST = "*"
"""The tenant that all tenants without a key of their own run as."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the server recorded of a request: seconds and tokens, None where it did not tell."""

    outcome: str
    output_tokens: int
    cached_tokens: int
    duration: float
    ttft: float | None
    tpot: float | None


@dataclass(frozen=True, slots=True)
class Planned:
    """One request: due so many seconds after the first, `output` its most tokens.

    `prompt` are stretches (drawn by, up to): the tokens up to that place are those of the stream of
    that request's number, so that requests share a prefix. It ends where the input does. The client
    hangs up after `hang_up` seconds.
    """

    due: float
    tenant: str
    model: str
    output: int
    stream: bool
    prompt: tuple[tuple[int, int], ...]
    hang_up: float | None
    past: Past

    @property
    def input(self) -> int:
        """Tokens of the prompt."""
        return self.prompt[-1][1]


@dataclass(frozen=True)
class Plan:
    """All of a replay. Token ids are drawn from `ids` (both included); `seconds` is its length.

    `left_out` counts the requests that cannot be repeated, by reason; of `cached_recorded` tokens
    the prompts can share `cached_planned`, by blocks of `block` tokens. `since` and `until` are
    Unix seconds, `source` names where the records were.
    """

    seed: int
    ids: tuple[int, int]
    block: int
    seconds: float
    patience: float
    since: float
    until: float
    source: str
    left_out: dict[str, int]
    cached_recorded: int
    cached_planned: int
    requests: tuple[Planned, ...] = ()


def write(plan: Plan, path: Path) -> None:
    """Write the plan, a line a request, each by itself: a day has millions; raises OSError."""
    head = {"version": VERSION, **asdict(replace(plan, requests=()))}
    del head["requests"]
    with path.open("w", encoding="utf-8") as file:
        for line in chain((head,), map(asdict, plan.requests)):
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


def read(path: Path) -> Plan:
    """The plan of a file; raises OSError, or ValueError where it is none of this version."""
    try:
        with path.open(encoding="utf-8") as lines:
            known = dict(json.loads(next(lines, "")))
            if known.pop("version", None) != VERSION:
                raise ValueError("another version")
            known["ids"] = tuple(known["ids"])
            return Plan(**known, requests=tuple(_planned(json.loads(line)) for line in lines))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no plan of this version: `make replay` writes one") from error


def _planned(found: dict[str, Any]) -> Planned:
    prompt = tuple((owner, end) for owner, end in found["prompt"])
    return Planned(**found | {"prompt": prompt, "past": Past(**found["past"])})

"""The cached share of prompts, repeated: each shares a prefix with an earlier one, in blocks."""

from collections import deque
from collections.abc import Iterator, Sequence

from loadtest.replay.recorded import Recorded

LOOK_BACK = 1000
"""How many requests back a prefix is looked for: a cache forgets what nobody has used for long."""

Stretches = tuple[tuple[int, int], ...]


def prompts(requests: Sequence[Recorded], block: int) -> Iterator[tuple[Stretches, int]]:
    """The stretches of each prompt (loadtest/plan.py), and how many tokens of it are shared.

    `requests` are by their start. Shared can be what an earlier prompt whose first token had come
    holds in whole blocks: the first of its kind shares nothing.
    """
    earlier: deque[tuple[int, Recorded, Stretches]] = deque(maxlen=LOOK_BACK)
    for number, each in enumerate(requests):
        found, shared = _found(earlier, each, block)
        whole = (*_cut(found, shared), (number, each.input))
        earlier.appendleft((number, each, whole))
        yield whole, shared


def _found(
    earlier: deque[tuple[int, Recorded, Stretches]], each: Recorded, block: int
) -> tuple[Stretches, int]:
    # The last token is always computed: it makes the first of the answer.
    wanted = min(each.cached, each.input - 1) // block * block
    best: Stretches = ()
    most = 0
    for _, other, prompt in earlier if wanted else ():
        whole = min(wanted, other.input // block * block)
        if whole > most and _is_cached(other, each.started):
            best, most = prompt, whole
            if most == wanted:
                break
    return best, most


def _is_cached(other: Recorded, at: float) -> bool:
    took = other.duration if other.ttft is None else other.ttft
    return other.started + (took or 0.0) <= at


def _cut(prompt: Stretches, end: int) -> Stretches:
    """The stretches up to a place."""
    kept: list[tuple[int, int]] = []
    for owner, upto in prompt:
        if not end or (kept and kept[-1][1] >= end):
            break
        kept.append((owner, min(upto, end)))
    return tuple(kept)

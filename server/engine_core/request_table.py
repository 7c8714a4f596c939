"""What each request in the engine has used: the columns of one table, filled many steps at once."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from server.wire.report import Settlement

Ints: TypeAlias = npt.NDArray[np.int64]

_SLOTS = 256
_NS, _PREFILL, _DECODE, _CACHED, _HIGH, _BOUND, _SCHEDULED, _FIRST, _LAST = range(9)


class EngineRequest(Protocol):
    """What we read of vLLM's scheduler Request."""

    num_computed_tokens: int
    num_prompt_tokens: int


class Step(NamedTuple):
    """Tokens of a step by request id, and each one's tokens in the KV cache, in the same order.

    `bounds` are those of requests that were preempted while the step was in flight, as they were.
    """

    tokens: Mapping[str, int]
    kv: Sequence[int]
    bounds: dict[str, int]


class Loads(NamedTuple):
    """Who was in some steps, one after the other: of each request its slot and its tokens.

    Shapes: one entry for each request of each step; `ends` has one for each step, where it ends.
    """

    slots: npt.NDArray[np.intp]
    prefill: Ints
    decode: Ints
    kv: Ints
    ends: Sequence[int]


class RequestTable:
    """Every request in the engine has a slot, which its id leads to."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._free = list(range(_SLOTS))
        self._table: Ints = np.zeros((9, _SLOTS), dtype=np.int64)

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._slots

    def enter(
        self, request_id: str, added: int, request: EngineRequest, now: int, version: int
    ) -> None:
        """Give a new request a slot; `added` are its tokens in its first step."""
        if not self._free:
            self._grow()
        slot = self._slots[request_id] = self._free.pop()
        self._table[:, slot] = 0
        self._table[_CACHED, slot] = request.num_computed_tokens - added
        self._table[_BOUND, slot] = request.num_prompt_tokens
        self._table[_SCHEDULED, slot] = now
        self._table[_FIRST, slot] = version

    def resume(self, request_id: str, in_flight: Iterable[Step]) -> None:
        """Note that it was preempted: what it had computed is computed again, in prefill's way."""
        column = self._table[:, self._slots[request_id]]
        bound, high = int(column[_BOUND]), int(column[_HIGH])
        for step in in_flight:
            if request_id in step.tokens:
                step.bounds.setdefault(request_id, bound)
                high = max(high, step.kv[list(step.tokens).index(request_id)])
        column[_BOUND] = max(bound, high)

    def _grow(self) -> None:
        size = self._table.shape[1]
        self._table = np.concatenate((self._table, np.zeros_like(self._table)), axis=1)
        self._free.extend(range(size, 2 * size))

    def loads(self, steps: Sequence[Step]) -> Loads:
        """Read who was in the steps, each of which holds at least one request with a slot."""
        counts = [len(step.tokens) for step in steps]
        total = sum(counts)
        names = chain.from_iterable(step.tokens for step in steps)
        slots = np.fromiter(map(self._slots.__getitem__, names), np.intp, total)
        tokens = chain.from_iterable(step.tokens.values() for step in steps)
        added = np.fromiter(tokens, np.int64, total)
        kv = np.fromiter(chain.from_iterable(step.kv for step in steps), np.int64, total)
        ends = np.cumsum(counts).tolist()
        left = self._bounds(steps, slots, ends) - (kv - added)
        prefill = np.minimum(np.maximum(left, 0), added)
        return Loads(slots, prefill, added - prefill, kv, ends)

    def _bounds(
        self, steps: Sequence[Step], slots: npt.NDArray[np.intp], ends: Sequence[int]
    ) -> Ints:
        found: Ints = self._table[_BOUND, slots]
        for step, end in zip(steps, ends, strict=True):
            for request_id, bound in step.bounds.items():
                place = list(step.tokens).index(request_id)
                found[end - len(step.tokens) + place] = bound
        return found

    def add(self, loads: Loads, shares: Ints, version: int) -> None:
        """Charge each load its share in nanoseconds; shape: as the loads."""
        np.add.at(self._table[_NS], loads.slots, shares)
        np.add.at(self._table[_PREFILL], loads.slots, loads.prefill)
        np.add.at(self._table[_DECODE], loads.slots, loads.decode)
        np.maximum.at(self._table[_HIGH], loads.slots, loads.kv)
        self._table[_LAST, loads.slots] = version

    def take(self, request_id: str) -> Settlement | None:
        """Take a request out, with all that it used; None where it never had a step."""
        slot = self._slots.pop(request_id, None)
        if slot is None:
            return None
        used = self._table[:, slot].tolist()
        self._free.append(slot)
        counts = (used[_NS], used[_PREFILL], used[_DECODE], used[_CACHED], used[_SCHEDULED])
        return Settlement(request_id, *counts, used[_FIRST], used[_LAST])

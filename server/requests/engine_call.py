"""One call of the engine: its children's live states, what it used and how it ended."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from server.record.request import Usage
from server.wire.report import Settlement


class EngineTimes(Protocol):
    """What we read of vLLM's RequestStateStats; monotonic seconds, 0.0 when not reached."""

    num_generation_tokens: int
    scheduled_ts: float
    first_token_ts: float
    last_token_ts: float


class EngineState(Protocol):
    """The part of vLLM's RequestState that we read; the object outlives an abort."""

    request_id: str
    prompt_len: int
    num_cached_tokens: int
    is_prefilling: bool
    stats: EngineTimes | None


@dataclass(slots=True)
class EngineCall:
    """One generate() or encode(): its children's live states, vLLM's params, how it ended.

    `answers` are how many are asked for, None where the engine was not reached. `media` are the
    prompt's tokens that stand for what is no text, by vLLM's name of the modality.
    """

    called_at: float = field(default_factory=time.monotonic)
    states: Sequence[EngineState] = ()
    finish_reasons: list[str] = field(default_factory=list)
    error: BaseException | None = None
    params: object = None
    answers: int | None = None
    media: Mapping[str, int] = field(default_factory=dict)

    def usage(self, settled: Mapping[str, Settlement]) -> Usage:
        """Tokens of this prompt and all its answers; of a prefill that was cut off, its part."""
        filled = [state for state in self.states if not state.is_prefilling]
        if not filled:
            return self._cut_off(settled)
        return Usage(
            input_tokens=filled[0].prompt_len,
            cached_input_tokens=min(state.num_cached_tokens for state in filled),
            output_tokens=sum(s.stats.num_generation_tokens for s in self.states if s.stats),
        )

    def _cut_off(self, settled: Mapping[str, Settlement]) -> Usage:
        # Nothing came back from the engine: only its own books know how far it got.
        begun = [s for state in self.states if (s := settled.get(state.request_id))]
        if not begun:
            return Usage()
        furthest = max(begun, key=lambda s: s.prefill_tokens + s.cached_tokens)
        known = min(furthest.prefill_tokens + furthest.cached_tokens, self.states[0].prompt_len)
        return Usage(known, min(furthest.cached_tokens, known), 0)

"""The one frozen record of a request that metrics, cost, trace and log all read."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a request ended; the HTTP status alone cannot say it (an abort can be a 200)."""

    OK = "ok"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    ABORTED = "aborted"
    TIMEOUT = "timeout"


class Operation(StrEnum):
    """What was asked for, as values of gen_ai.operation.name; `other` is what runs no model.

    The convention has no value for the last four before `other`: they have vLLM's names.
    """

    CHAT = "chat"
    TEXT_COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    SCORE = "score"
    POOLING = "pooling"
    CLASSIFY = "classify"
    OTHER = "other"


PHASES = ("tokenize", "queue", "prefill", "decode", "deliver")
"""The names of a request's phases, in their order."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of a request; offsets in seconds from the request's start.

    `complete` is False where the request ended before the engine said that the phase had: an abort
    before the first token leaves queue and prefill indistinguishable.
    """

    name: str
    start: float
    end: float
    complete: bool = True

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens used; `input_tokens` includes the cached ones.

    A prompt counts once however many answers it got; of one whose prefill was cut off, as much as
    the engine took in. Output tokens are those that the engine reported, delivered or not.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0

    @property
    def uncached_input_tokens(self) -> int:
        """Input tokens that had to be computed."""
        return self.input_tokens - self.cached_input_tokens


@dataclass(frozen=True, slots=True)
class Parts:
    """Tokens that are among those of the usage already, None where vLLM does not tell them.

    `reasoning` are output tokens, the others input tokens of what is no text. vLLM tells the first
    of a whole answer, where the server has a reasoning parser.
    """

    reasoning: int | None = None
    image: int | None = None
    audio: int | None = None
    video: int | None = None


@dataclass(frozen=True, slots=True)
class GpuUse:
    """A request's share of the engine's measured device time, every child of it settled.

    `nanodollars` is its price, None where the device has none. `model_versions` are the step
    model's coefficients that shared the first and the last of its steps (step_model.py).
    Token counts are those that the engine computed: recomputed and speculative ones included.
    """

    nanoseconds: int
    nanodollars: int | None
    prefill_tokens: int
    decode_tokens: int
    model_versions: tuple[int, int]

    @property
    def microdollars(self) -> float | None:
        """Its price, None where the device has none."""
        return None if self.nanodollars is None else self.nanodollars / 1000


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """Everything that is known of one HTTP request when it is over.

    `started_ns` is wall-clock nanoseconds since the epoch, all other times are seconds.
    `duration_seconds` is None for a request found in the journal of a process that was killed: its
    end is not known. `model` and `tenant` are bounded label values. `gpu` is None where the engine
    was not used or its time is not accounted for; `retry` is the caller's own word. `engine_model`
    is the name of what the engine ran, None where it ran nothing: its price counts, which `model`
    may have no room for. `scheme` and `listener`, our address and port, are the connection's.
    `parameters` are what the engine was asked for, by the names of vLLM's SamplingParams.
    `caller_request_id` is the caller's own id of it, which others may have been given as well.
    `engine_requests` are those that the engine made of it: each prompt and each answer is one;
    None where its process was killed.
    """

    trace_id: str
    span_id: str
    tenant: str
    model: str
    operation: Operation
    outcome: Outcome
    reason: str
    method: str
    route: str
    status_code: int | None
    stream: bool
    started_ns: int
    duration_seconds: float | None
    time_to_first_token_seconds: float | None
    time_per_output_token_seconds: float | None
    phases: tuple[Phase, ...]
    usage: Usage
    finish_reasons: tuple[str, ...]
    response_id: str | None
    error_type: str | None
    gpu: GpuUse | None = None
    retry: bool = False
    engine_model: str | None = None
    scheme: str | None = None
    listener: tuple[str, int | None] | None = None
    parameters: tuple[tuple[str, int | float], ...] = ()
    caller_request_id: str | None = None
    parts: Parts = Parts()
    engine_requests: int | None = None

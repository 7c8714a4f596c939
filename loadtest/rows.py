"""What a run leaves: one line per request as its client saw it, and what the run was.

`requests.jsonl` and `run.json` in the run's folder. Names of times are AIPerf's where it has one.
The generator writes them, the report reads them; neither knows the other.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

REQUESTS, RUN = "requests.jsonl", "run.json"
WARM_UP, MAIN, COOL_DOWN = "warmup", "profiling", "cooldown"
"""Phases of a run; only MAIN is in its figures."""
OUTCOMES = ("ok", "client_error", "server_error", "aborted", "timeout", "cut_off", "unreachable")
"""How a request ended for its client.

`aborted`: the client hung up on purpose. `timeout`: the client's own patience ran out, or a 504.
`cut_off`: the connection ended inside an answer. `unreachable`: no byte of an answer came.
"""

IN_STREAM = "error in the stream"
"""How a request `ended_as` whose head had said 200 before the error came."""

Read = TypeVar("Read")


@dataclass(frozen=True)
class Row:
    """One request. All `*_ns` are Unix nanoseconds of the generator's clock.

    `intended_start_ns` is when it was due, whatever the generator had to do then: latencies count
    from it. `first_token_ns` is the first chunk with content, `gaps_seconds` the time between that
    and each later one (ITL). Token counts are the server's `usage`, None where none came.
    `provoked` is True where the load asked for this end. `ended_as` names the end in words: a
    status, an exception's class, IN_STREAM.
    """

    kind: str
    stage: int
    benchmark_phase: str
    worker_id: int
    tenant: str
    trace_id: str
    span_id: str
    intended_start_ns: int
    request_start_ns: int
    request_end_ns: int
    outcome: str
    ended_as: str
    provoked: bool
    status: int | None = None
    request_ack_ns: int | None = None
    first_token_ns: int | None = None
    gaps_seconds: tuple[float, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    stream: bool = False
    conversation_id: str | None = None
    turn_index: int | None = None

    @property
    def seconds(self) -> float:
        """From the intended start to the last byte."""
        return (self.request_end_ns - self.intended_start_ns) / 1e9

    @property
    def ttft_seconds(self) -> float | None:
        """From the intended start to the first chunk with content; None where none came."""
        first = self.first_token_ns
        return None if first is None else (first - self.intended_start_ns) / 1e9

    @property
    def tpot_seconds(self) -> float | None:
        """Mean time per output token after the first, by the server's count of tokens."""
        if self.first_token_ns is None or (self.output_tokens or 0) < 2 or not self.stream:
            return None
        return sum(self.gaps_seconds) / ((self.output_tokens or 0) - 1)

    @property
    def schedule_delay_seconds(self) -> float:
        """How late the generator was."""
        return (self.request_start_ns - self.intended_start_ns) / 1e9


@dataclass(frozen=True)
class Stage:
    """A stretch of the run with one rate (requests per second); times are Unix nanoseconds.

    `intended` arrivals were due in it; `dropped` of them were never sent, because so many were in
    flight that the generator refused to add one.
    """

    number: int
    phase: str
    rate: float
    begun_ns: int
    seconds: float
    intended: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class Run:
    """What the run was, and how many `lines` its requests left.

    `before` and `after` are the server's counters, by series as exposed, None where the server did
    not answer then. `invalid_because` is empty for a run whose figures are the server's and not the
    generator's. `held` are the rates that a search for the limit tried, and whether the objectives
    held.
    """

    run_id: str
    command: str
    shape: str
    rate: float
    seed: int
    url: str
    model: str
    processes: int
    started_ns: int
    ended_ns: int
    lines: int = 0
    stages: tuple[Stage, ...] = ()
    invalid_because: tuple[str, ...] = ()
    held: tuple[tuple[float, bool], ...] = ()
    before: dict[str, float] | None = None
    after: dict[str, float] | None = None


def limit(run: Run) -> float | None:
    """The highest rate at which the objectives held; None where none did, or none was tried."""
    return max((rate for rate, held in run.held if held), default=None)


def limit_in_words(run: Run) -> str:
    """What a search for the limit found, in visits per second."""
    rate = limit(run)
    return "no rate holds" if rate is None else f"{rate:.2f} visits/s, the highest that holds"


def to_line(row: Row) -> str:
    """The row as one line of JSON."""
    return json.dumps(asdict(row), separators=(",", ":"))


def to_json(run: Run) -> str:
    """The run as a JSON document."""
    return json.dumps(asdict(run), indent=1) + "\n"


def _known(kind: type[Read], found: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return {name: value for name, value in found.items() if name in names}


def read_row(line: str) -> Row:
    """The row of a line; raises ValueError where it is torn."""
    found = json.loads(line)
    found["gaps_seconds"] = tuple(found.get("gaps_seconds", ()))
    return Row(**_known(Row, found))


def read_rows(folder: Path) -> Iterator[Row]:
    """The rows of a run, in the order in which they ended; lines that cannot be read are left out.

    The run tells how many there were.
    """
    for line in (folder / REQUESTS).read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            yield read_row(line)


def read_run(folder: Path) -> Run:
    """The run of a folder; raises OSError or ValueError where there is none."""
    found = json.loads((folder / RUN).read_text(encoding="utf-8"))
    stages = tuple(Stage(**_known(Stage, each)) for each in found.get("stages", ()))
    kept = _known(Run, found)
    kept |= {"stages": stages, "invalid_because": tuple(found.get("invalid_because", ()))}
    kept["held"] = tuple((rate, held) for rate, held in found.get("held", ()))
    return Run(**kept)

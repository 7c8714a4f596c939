"""The numbers of a run; as they are called in Prometheus, server/catalogue/loadtest.py has them.

No unit but seconds is given: Prometheus would make `_ratio` of 1 and `_per_second` of a rate.
"""

from collections.abc import Iterable

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from loadtest.edges import LAG_SECONDS, REQUEST_SECONDS, TOKEN_SECONDS
from loadtest.objectives import Objectives, is_good, is_judged
from loadtest.rows import COOL_DOWN, MAIN, OUTCOMES, WARM_UP, Row, Stage

NO_STAGE = -1
"""What `loadtest_stage` is for a phase that does not run."""


class Instruments:
    """Counters, gauges and histograms of one process of a run, told apart by `worker`."""

    def __init__(self, meter: Meter, objectives: Objectives, worker: str) -> None:
        self._objectives = objectives
        self._worker = {"worker": worker}
        self._info: dict[str, str] = {}
        self._requests = meter.create_counter("loadtest.requests")
        self._judged = meter.create_counter("loadtest.judged_requests")
        self._good = meter.create_counter("loadtest.good_requests")
        self._tokens = meter.create_counter("loadtest.output_tokens")
        self._good_tokens = meter.create_counter("loadtest.good_output_tokens")
        self._dropped = meter.create_counter("loadtest.dropped")
        self._in_flight = meter.create_up_down_counter("loadtest.in_flight_requests")
        self._target = meter.create_gauge("loadtest.target_rate")
        self._stage = meter.create_gauge("loadtest.stage")
        self._run = meter.create_gauge("loadtest.run_info")
        self._duration = _seconds(meter, "loadtest.request.duration", REQUEST_SECONDS)
        self._ttft = _seconds(meter, "loadtest.time_to_first_token", REQUEST_SECONDS)
        self._tpot = _seconds(meter, "loadtest.time_per_output_token", TOKEN_SECONDS)
        self._delay = _seconds(meter, "loadtest.schedule_delay", LAG_SECONDS)

    def begin(self, shape: str, model: str, seed: int, kinds: Iterable[str]) -> None:
        """Say what the run is, and begin every count at zero: of its first, a rate sees nothing."""
        self._info = {"shape": shape, "model": model, "seed": str(seed)}
        self._run.set(1, self._worker | self._info)
        for kind in kinds:
            for outcome in OUTCOMES:
                self._requests.add(0, self._worker | {"kind": kind, "outcome": outcome})
        counts = (self._judged, self._good, self._tokens, self._good_tokens, self._dropped)
        for count in (*counts, self._in_flight):
            count.add(0, self._worker)
        self.stage(None)

    def stage(self, stage: Stage | None) -> None:
        """Say which stage runs from now on; None where none does."""
        self._target.set(stage.rate if stage else 0.0, self._worker)
        # A phase that is over has to say so: nobody forgets the last value of what is pushed.
        for phase in (WARM_UP, MAIN, COOL_DOWN):
            number = stage.number if stage and stage.phase == phase else NO_STAGE
            self._stage.set(number, self._worker | {"phase": phase})

    def over(self) -> None:
        """Say that the run has ended."""
        if self._info:
            self._run.set(0, self._worker | self._info)
        self.stage(None)

    def in_flight(self, delta: int) -> None:
        """Change the number of requests in flight."""
        self._in_flight.add(delta, self._worker)

    def dropped(self, requests: int) -> None:
        """Count requests that were due and never sent."""
        self._dropped.add(requests, self._worker)

    def ended(self, row: Row) -> None:
        """Count a request that ended, and observe its times with its trace as the exemplar."""
        inside = _of_trace(row)
        kind = self._worker | {"kind": row.kind}
        self._requests.add(1, kind | {"outcome": row.outcome})
        self._tokens.add(row.output_tokens or 0, self._worker)
        self._judged.add(int(is_judged(row)), self._worker)
        if is_good(self._objectives, row):
            self._good.add(1, self._worker)
            self._good_tokens.add(row.output_tokens or 0, self._worker)
        self._duration.record(max(0.0, row.seconds), kind, inside)
        for histogram, seconds in (
            (self._ttft, row.ttft_seconds),
            (self._tpot, row.tpot_seconds),
            (self._delay, row.schedule_delay_seconds),
        ):
            if seconds is not None:
                histogram.record(max(0.0, seconds), self._worker, inside)


def _seconds(meter: Meter, name: str, edges: tuple[float, ...]) -> Histogram:
    return meter.create_histogram(name, "s", explicit_bucket_boundaries_advisory=edges)


def _of_trace(row: Row) -> Context:
    if not row.trace_id:
        return Context()
    ids = int(row.trace_id, 16), int(row.span_id, 16)
    sampled = SpanContext(*ids, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return trace.set_span_in_context(NonRecordingSpan(sampled), Context())

"""The load test of the day as its generator counted it: its own requests, and its stages."""

from collections.abc import Iterator, Sequence
from random import Random

from prometheus_client import CollectorRegistry as Registry
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.samples import Sample as Exposed

from loadtest.rows import OUTCOMES
from server.catalogue import READ, Kind, Metric
from server.record.request import Outcome, RequestRecord
from tests.bench.day_series import Labels
from tests.bench.scene.records import MODEL
from tests.bench.scene.story import LOAD, RATES, SHOWN_LOAD, stage_of

RUN = "ramp-20260701-0900"
_PHASES = ("warmup", "profiling", "cooldown")
_WIRE_SECONDS = 0.004
"""What a client waits longer than the server serves."""
_FIRST_TOKEN_SECONDS, _PER_TOKEN_SECONDS, _WHOLE_SECONDS = 2.0, 0.1, 60.0
_INFO = {"shape": "ramp", "model": MODEL, "seed": "1", "worker": "0"}
_TARGET: Labels = (("instance", RUN), ("job", "loadtest"))


def _of(kind: Kind) -> Iterator[Metric]:
    return (one for one in READ if one.name.startswith("loadtest_") and one.kind is kind)


class LoadTest:
    """What the generator of the load test pushed."""

    def __init__(self) -> None:
        self._registry = Registry()
        self._dice = Random("load test")
        self._counters = {one.name: Counter(*self._named(one)) for one in _of(Kind.COUNTER)}
        self._gauges = {one.name: Gauge(*self._named(one)) for one in _of(Kind.GAUGE)}
        self._histograms = {
            one.name: Histogram(*self._named(one), buckets=one.buckets)
            for one in _of(Kind.HISTOGRAM)
        }
        for outcome in OUTCOMES:
            self._count("requests", 0, kind="chat", outcome=outcome)
        for name in ("judged_requests", "good_requests", "output_tokens", "good_output_tokens"):
            self._count(name, 0)
        self._count("dropped", 0)

    def _named(self, metric: Metric) -> tuple[str, str, Sequence[str], str, str, str, Registry]:
        return metric.family, metric.help, metric.labels, "", "", "", self._registry

    def ended(self, record: RequestRecord) -> None:
        """Count a request of the load test's."""
        ok, seconds = record.outcome is Outcome.OK, (record.duration_seconds or 0) + _WIRE_SECONDS
        first, each = record.time_to_first_token_seconds, record.time_per_output_token_seconds
        tokens = record.usage.output_tokens
        good = ok and (first or 0) < _FIRST_TOKEN_SECONDS and (each or 0) < _PER_TOKEN_SECONDS
        self._count("requests", kind="chat", outcome=record.outcome.value)
        self._count("judged_requests")
        self._count("output_tokens", tokens)
        if good and seconds < _WHOLE_SECONDS:
            self._count("good_requests")
            self._count("good_output_tokens", tokens)
        late, told = self._dice.expovariate(600), {"trace_id": record.trace_id}
        for name, value, more in (
            ("request_duration", seconds + late, {"kind": "chat"}),
            ("time_to_first_token", first and first + _WIRE_SECONDS + late, {}),
            ("time_per_output_token", each, {}),
            ("schedule_delay", late, {}),
        ):
            if value is not None:
                found = self._histograms[f"loadtest_{name}_seconds"].labels(worker="0", **more)
                found.observe(value, told)

    def _count(self, name: str, amount: float = 1, **labels: str) -> None:
        self._counters[f"loadtest_{name}_total"].labels(worker="0", **labels).inc(amount)

    def exposed(self, moment: float, in_flight: int) -> Iterator[tuple[Exposed, Labels]]:
        """What is pushed at a moment; nothing before and after the run."""
        if not SHOWN_LOAD.start + 100 <= moment <= LOAD.end + 60:
            return
        stage = stage_of(moment)
        self._set("run_info", float(moment < LOAD.end), **_INFO)
        self._set("target_rate", 0.0 if stage is None else RATES[stage], worker="0")
        self._set("in_flight_requests", float(in_flight), worker="0")
        for phase in _PHASES:
            number = -1 if stage is None or phase != "profiling" else stage
            self._set("stage", float(number), phase=phase, worker="0")
        for family in self._registry.collect():
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    yield sample, (*sample.labels.items(), *_TARGET)

    def _set(self, name: str, value: float, **labels: str) -> None:
        self._gauges[f"loadtest_{name}"].labels(**labels).set(value)

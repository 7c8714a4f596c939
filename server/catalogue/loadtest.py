"""What we read of a load test: its generator pushes these while it runs (loadtest/telemetry.py).

`instance` is the run's id, `worker` the process of the generator that counted; the edges are the
server's, so that what a client saw can be laid beside what the server did.
"""

from server.catalogue.grids import LAG_SECONDS, REQUEST_SECONDS, TOKEN_SECONDS
from server.catalogue.record import LOAD, Kind, Method, Metric

_WORKER = ("worker",)


def _load(
    name: str,
    kind: Kind,
    unit: str,
    text: str,
    *labels: str,
    method: Method = Method.RED,
    buckets: tuple[float, ...] = (),
) -> Metric:
    return Metric(
        f"loadtest_{name}",
        kind,
        unit,
        text,
        method,
        (*labels, *_WORKER),
        buckets,
        source=LOAD,
        absent="no load test has run",
    )


def _count(name: str, unit: str, text: str, *labels: str) -> Metric:
    return _load(f"{name}_total", Kind.COUNTER, unit, text, *labels)


def _state(name: str, unit: str, text: str, *labels: str) -> Metric:
    return _load(name, Kind.GAUGE, unit, text, *labels, method=Method.USE)


def _seconds(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    name, kind = f"{name}_seconds", Kind.HISTOGRAM
    return _load(name, kind, "seconds", text, *labels, buckets=buckets)


LOADTEST = (
    _count("requests", "requests", "Requests that ended, by how they did.", "kind", "outcome"),
    _count("judged_requests", "requests", "Those whose end the load did not ask for, or ok."),
    _count("good_requests", "requests", "Those that ended well and within every objective."),
    _count("output_tokens", "tokens", "Output tokens, by the server's count."),
    _count("good_output_tokens", "tokens", "Output tokens of good requests."),
    _count("dropped", "visits", "Due and never begun: too many were in flight."),
    _state("in_flight_requests", "requests", "Sent and not yet ended."),
    _state("target_rate", "visits per second", "Asked for by the stage; 0 after the run."),
    _state("stage", "1", "Number of the stage in the phase that runs; else -1.", "phase"),
    _state("run_info", "1", "1 during the run, 0 at its end.", "shape", "model", "seed"),
    _seconds(
        "request_duration", "From the intended start to the last byte.", REQUEST_SECONDS, "kind"
    ),
    _seconds(
        "time_to_first_token", "From the intended start to the first content.", REQUEST_SECONDS
    ),
    _seconds("time_per_output_token", "Mean pace after the first token.", TOKEN_SECONDS),
    _seconds("schedule_delay", "How late the generator itself was.", LAG_SECONDS),
)

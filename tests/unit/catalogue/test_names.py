"""Names on the wire: a changed metric, span attribute or log field is seen here, and is said."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from server.catalogue import MADE
from server.readiness import witness
from server.record.request import Operation, Outcome, Parts, Phase, RequestRecord
from server.requests import sampling
from server.signals import logs
from server.signals.failures import Failure
from server.signals.stacks import Seen
from server.signals.tracing import Tracing
from tests.unit.helpers import GPU, SPAN_ID, TRACE_ID, record
from tests.unit.logged import lines_of

STORED: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "names.yaml").read_text())
WHY = "a name on the wire is public: store it in names.yaml, and say it in CHANGELOG.md"
TYPES = {bool: "bool", int: "int", float: "double", str: "string", tuple: "string[]"}


def full(**changes: Any) -> RequestRecord:
    """A record of which everything is known."""
    known = {
        "outcome": Outcome.SERVER_ERROR,
        "error_type": "ValueError",
        "gpu": GPU,
        "engine_model": "tiny-llama",
        "scheme": "http",
        "listener": ("127.0.0.1", 8000),
        "parts": Parts(5, 60, 7, 8),
        "parameters": tuple((name, 2) for name in sampling.NAMES),
        "caller_request_id": "run-7",
    }
    return record(**{**known, **changes})


def spans(kept: RequestRecord, callers_count: bool = False) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    tracing = Tracing(Resource({}), SimpleSpanProcessor(exporter), callers_count)
    above = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}
    tracing.finish(tracing.start("POST", above, 1), kept, Decimal(1))
    return list(exporter.get_finished_spans())


def attributes(span: ReadableSpan) -> dict[str, str]:
    return {name: TYPES[type(value)] for name, value in (span.attributes or {}).items()}


def test_metrics_and_their_labels() -> None:
    made = {metric.name: " ".join(metric.labels) for metric in MADE}
    assert made == STORED["metrics"], WHY


def test_the_label_operation() -> None:
    assert [operation.value for operation in Operation] == STORED["operations"], WHY


def test_attributes_of_the_server_span() -> None:
    *_, server = spans(full())
    assert attributes(server) == STORED["server_span"], WHY


def test_names_of_tokens_below_a_caller_that_counts_them() -> None:
    *_, server = spans(full(), callers_count=True)
    stored = STORED["server_span"].items()
    rest = {name: kind for name, kind in stored if not name.startswith("gen_ai.usage.")}
    assert attributes(server) == rest | STORED["usage_below_a_caller"], WHY


def test_spans_of_phases() -> None:
    *phases, _ = spans(full(phases=(*record().phases, Phase("deliver", 1.0, 1.0, complete=False))))
    assert [span.name for span in phases[:-1]] == STORED["phases"], WHY
    assert attributes(phases[-1]) == STORED["phase_span"], WHY


def test_fields_of_each_line() -> None:
    for event in STORED["lines"]:
        about = "readiness" if event.startswith("engine_") else "requests"
        with lines_of(f"server.{about}") as lines:
            say(event)
            assert sorted(lines.one()) == sorted(STORED["lines"][event].split()), WHY


def say(event: str) -> None:
    if event == "request_finished":
        logs.request_finished(full(), Decimal(1))
    elif event == "request_settled_late":
        logs.request_settled_late(full(), GPU)
    elif event == "engine_stalled":
        witness.engine_stalled(20.0, [f"cmpl-{TRACE_ID}-{SPAN_ID}-0"], [Seen(1, "x", [("a:1:f",)])])
    elif event == "engine_recovered":
        witness.engine_recovered(20.0)
    else:
        logs.request_failed(full(), Failure("ValueError", ("file:1:f",)))

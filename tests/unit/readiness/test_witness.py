"""What is written of a stall: bounded whoever waits, places only, one record for every store."""

from collections.abc import Iterator

import pytest

from server.readiness import witness
from server.signals.log_values import MAX_LINE, MAX_SIZE
from server.signals.stacks import Seen
from tests.unit.helpers import SPAN_ID, TRACE_ID
from tests.unit.logged import Lines, Sent, lines_of, sent_meanwhile

ID = f"chatcmpl-{TRACE_ID}-{SPAN_ID}-0-b1946ac9"
STATE = "state T (stopped), wait channel do_signal_stop, threads 42"
SEEN = [
    Seen(9, "resource_tracker", state="state S (sleeping)", asked=False),
    Seen(7, "VLLM::EngineCor", state=STATE),
    Seen(5, "API process", [("a.py:1:f", "b.py:2:g"), ("c.py:3:h",), ("c.py:3:h",)]),
]


@pytest.fixture
def lines() -> Iterator[Lines]:
    with lines_of("server.readiness") as made:
        yield made


def test_a_stall_says_who_waits_who_is_silent_and_where_the_others_stand(lines: Lines) -> None:
    witness.engine_stalled(20.04, [ID, ID.replace("-0-", "-1-"), "not-ours"], SEEN)
    line = lines.one()
    assert (line["event"], line["level"]) == ("engine_stalled", "error")
    assert (line["silent_seconds"], line["engine_requests"], line["traces"]) == (20.0, 3, 1)
    assert line["trace_ids"] == [TRACE_ID]
    assert line["silent_processes"] == [f"VLLM::EngineCor (pid 7): {STATE}"]
    assert "trace_id" not in line, "it belongs to no one request"
    assert line["stack"].splitlines() == [
        f"traces in the engine: {TRACE_ID}",
        "resource_tracker (pid 9): tells no stack; state S (sleeping)",
        f"VLLM::EngineCor (pid 7): no answer in 2 s; {STATE}",
        "API process (pid 5):",
        "  thread",
        "    a.py:1:f",
        "    b.py:2:g",
        "  2 threads",
        "    c.py:3:h",
    ]


def test_its_end_says_how_long_it_lasted(lines: Lines) -> None:
    witness.engine_recovered(23)
    line = lines.one()
    assert (line["event"], line["level"], line["silent_seconds"]) == (
        "engine_recovered", "warning", 23.0,
    )  # fmt: skip


def many() -> tuple[list[str], list[Seen]]:
    ids = [f"cmpl-{n:032x}-{n:016x}-0-aa" for n in range(2000)]
    threads = [tuple(f"{'x' * 90}{n}.py:{f}:f" for f in range(40)) for n in range(60)]
    return ids, [Seen(n, f"worker-{n}", threads) for n in range(30)] + SEEN


def test_hundreds_that_wait_fit_into_one_line(lines: Lines) -> None:
    witness.engine_stalled(20.0, *many())
    assert len(lines.text.strip()) <= MAX_LINE
    line = lines.one()
    assert (line["engine_requests"], line["traces"]) == (2000, 2000)
    assert line["trace_ids"][0] == f"{0:032x}"
    assert line["stack"].startswith("traces in the engine: ")


def test_and_into_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    with sent_meanwhile(monkeypatch) as sent:
        _say_over_otlp(sent)
        found = sent.attributes()
        body = sent.body()
    assert found["event"] == "engine_stalled"
    assert len(str(found)) < MAX_SIZE
    assert "stack" not in found
    assert len(body) <= MAX_LINE
    assert body.startswith("engine_stalled silent_seconds=20 engine_requests=2000 traces=2000")
    assert f"\ntraces in the engine: {0:032x} {1:032x}" in body


def _say_over_otlp(sent: Sent) -> None:
    # Sent listens to server.requests; any logger of ours takes the same way.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(witness, "_log", sent.ours)
        witness.engine_stalled(20.0, *many())


def test_without_stacks_the_event_stands_all_the_same(lines: Lines) -> None:
    witness.engine_stalled(20.0, [], [])
    line = lines.one()
    assert (line["engine_requests"], line["trace_ids"], "stack" in line) == (0, [], False)


def test_the_engines_processes_come_before_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness.stacks, "below", lambda: SEEN[:2])
    found = witness.look()
    assert [each.pid for each in found[:2]] == [9, 7]
    assert found[-1].name == "API process"

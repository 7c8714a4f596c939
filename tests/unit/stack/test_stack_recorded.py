import pytest

from stack.commands.status import recorded_lines
from stack.evidence import recorded
from stack.evidence.recorded import Recorded
from stack.evidence.scrape import Sample
from stack.stores.protocol import StoreError, Window

NOW = 1_700_000_000.0


class Logs:
    """A log store that holds so many records, or none for a reason."""

    name = "victorialogs"

    def __init__(self, found: int | str) -> None:
        self._found = found
        self.windows: list[Window] = []

    def count(self, event: str, window: Window) -> int:
        assert event == "request_finished"
        self.windows.append(window)
        if isinstance(self._found, str):
            raise StoreError(self._found)
        return self._found


def look(
    monkeypatch: pytest.MonkeyPatch, logs: Logs, age: float, before: float | None = None
) -> Recorded | str:
    samples = [
        Sample("llm_requests_total", {"model": "a"}, 400.0),
        Sample("llm_requests_total", {"model": "b"}, 12.0),
        Sample("process_start_time_seconds", {}, NOW - age),
    ]
    monkeypatch.setattr(recorded, "scrape", lambda: samples)
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr(recorded, "_counted_until", lambda _: before)
    return recorded.look(logs)  # type: ignore[arg-type]


def test_since_the_start_both_numbers_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = Logs(412)
    assert look(monkeypatch, logs, 60.0) == Recorded(60.0, 412, 412, exact=True)
    assert logs.windows == [Window(NOW - 60.0, NOW + 60.0)]


def test_of_a_server_that_runs_long_the_last_hour_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs = Logs(12)
    assert look(monkeypatch, logs, 86400.0, 400.0) == Recorded(3600.0, 12, 12, exact=False)
    assert logs.windows[0].start == NOW - 3600.0


def test_without_an_earlier_count_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = look(monkeypatch, Logs(12), 86400.0, None)
    assert seen == "Prometheus has no count of an hour ago"


def test_a_store_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = look(monkeypatch, Logs("VictoriaLogs: it does not answer"), 60.0)
    assert recorded_lines(seen, "victorialogs") == ["not known: VictoriaLogs: it does not answer"]


def test_missing_records_are_counted_and_explained() -> None:
    equal = recorded_lines(Recorded(60.0, 412, 412, exact=True), "victorialogs")
    assert equal == [
        "412 requests counted, 412 records in victorialogs, 1m00s, since the server started"
    ]
    lost = recorded_lines(Recorded(60.0, 412, 400, exact=True), "victorialogs")
    assert lost[1].startswith("12 records are not there: ")

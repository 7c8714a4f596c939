"""The synthetic day: the same from the same seed, in time order, written as the server writes."""

import dataclasses
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from server.catalogue import READ
from server.record.request import Outcome, RequestRecord
from stack.errors import Fault
from stack.parts.lineup import LineUp
from stack.say import Ticker
from tests.bench import (
    day,
    day_blocks,
    day_folder,
    day_others,
    day_rules,
    day_send,
    day_stores,
    day_table,
)
from tests.bench.day_folder import Contents
from tests.bench.day_measure import Row, Timing
from tests.bench.day_prices import tracker
from tests.bench.day_requests import MODELS, TENANTS, Plan, ended_ns, requests
from tests.bench.day_series import steps
from tests.bench.day_signals import Logs, Traces

REPO = Path(__file__).resolve().parents[3]
PLAN = Plan(rate=5.0, hours=1.0, seed=1, end=1_790_000_000.0)
RUNS = LineUp("jaeger", "victorialogs", grafana=False)


@pytest.fixture(scope="module")
def made() -> list[RequestRecord]:
    return list(requests(PLAN))


class TestRequests:
    def test_the_same_seed_makes_the_same_day_and_another_another(
        self, made: list[RequestRecord]
    ) -> None:
        assert list(requests(PLAN)) == made
        assert list(requests(dataclasses.replace(PLAN, seed=2))) != made

    def test_they_come_at_the_rate_and_by_their_end(self, made: list[RequestRecord]) -> None:
        assert len(made) == pytest.approx(PLAN.expected, rel=0.03)
        assert all(ended_ns(one) <= ended_ns(other) for one, other in pairwise(made))
        assert min(one.started_ns for one in made) >= PLAN.start * 1e9
        assert ended_ns(made[-1]) < PLAN.end * 1e9

    def test_97_percent_succeed_and_every_outcome_is_there(self, made: list[RequestRecord]) -> None:
        counted = Counter(one.outcome for one in made)
        assert counted[Outcome.OK] / len(made) == pytest.approx(0.97, abs=0.01)
        assert set(counted) == set(Outcome)

    def test_they_last_from_50_ms_to_minutes(self, made: list[RequestRecord]) -> None:
        seconds = [one.duration_seconds or 0.0 for one in made if one.outcome is Outcome.OK]
        assert min(seconds) < 0.1
        assert max(seconds) > 100.0

    def test_labels_are_bounded_and_ids_are_unique(self, made: list[RequestRecord]) -> None:
        assert {one.tenant for one in made} == {*TENANTS, "other"}
        assert {one.model for one in made} == {*MODELS, "other"}
        assert len({one.trace_id for one in made}) == len(made)

    def test_phases_tile_the_request(self, made: list[RequestRecord]) -> None:
        for one in made:
            marks = [(phase.start, phase.end) for phase in one.phases]
            assert all(end == start for (_, end), (start, _) in pairwise(marks))
            assert not marks or marks[-1][1] == pytest.approx(one.duration_seconds)

    def test_whoever_used_no_engine_has_no_tokens(self, made: list[RequestRecord]) -> None:
        refused = [one for one in made if one.outcome is Outcome.CLIENT_ERROR]
        assert {one.usage.input_tokens for one in refused} == {0}
        assert {one.gpu for one in refused} == {None}


class _Logged(LogRecordExporter):
    """Keeps what it is handed."""

    def __init__(self) -> None:
        self.kept: list[ReadableLogRecord] = []

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self.kept += batch
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


class TestSignals:
    def test_a_log_record_is_the_server_s_at_the_request_s_end(
        self, made: list[RequestRecord], tmp_path: Path
    ) -> None:
        exporter, one = _Logged(), made[0]
        logs = Logs(tracker(tmp_path), exporter)
        logs.add(one)
        assert logs.send()
        (kept,) = exporter.kept
        record = kept.log_record
        assert record.timestamp == pytest.approx(ended_ns(one), abs=1000)
        assert record.trace_id == int(one.trace_id, 16)
        known = record.attributes or {}
        assert (known["event"], known["tenant"]) == ("request_finished", one.tenant)
        assert known["duration_seconds"] == one.duration_seconds
        assert kept.resource.attributes["service.instance.id"] == "127.0.0.1:9464"
        assert str(record.body).startswith("request_finished ")

    def test_nothing_is_sent_twice(self, made: list[RequestRecord], tmp_path: Path) -> None:
        exporter = _Logged()
        logs = Logs(tracker(tmp_path), exporter)
        for one in made[:3]:
            logs.add(one)
            logs.send()
        assert len(exporter.kept) == 3

    def test_a_trace_has_the_record_s_ids_and_times(
        self, made: list[RequestRecord], tmp_path: Path
    ) -> None:
        exporter = InMemorySpanExporter()
        one = next(one for one in made if one.outcome is Outcome.OK)
        traces = Traces(tracker(tmp_path), exporter)
        traces.add(one)
        assert traces.send()
        *children, server = exporter.get_finished_spans()
        assert [child.name for child in children] == [phase.name for phase in one.phases]
        assert server.context.trace_id == int(one.trace_id, 16)
        assert (server.start_time, server.end_time) == (one.started_ns, ended_ns(one))
        assert {child.parent.span_id for child in children if child.parent} == {
            int(one.span_id, 16)
        }
        assert (server.attributes or {})["llm.cost.microdollars"]


class _Source:
    """Takes what it is handed, or nothing."""

    def __init__(self, takes: bool = True) -> None:
        self.sent: list[int] = []
        self._takes, self._waiting = takes, 0

    def add(self, record: RequestRecord) -> None:
        self._waiting += 1

    def send(self) -> bool:
        self.sent.append(self._waiting)
        self._waiting = 0
        return self._takes


class TestSending:
    @pytest.fixture(autouse=True)
    def collector(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(day_send, "waiting", lambda: 0.0)

    def test_all_are_sent_in_batches(self, made: list[RequestRecord]) -> None:
        source = _Source()
        assert day_send.send(made[:1200], source, 1200, Ticker("logs"), math.inf) == 1200
        assert source.sent == [500, 500, 200]

    def test_no_more_are_sent_than_a_store_holds(
        self, made: list[RequestRecord], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept: list[float] = []
        monkeypatch.setattr("tests.bench.day_send.time.sleep", slept.append)
        day_send.send(made[:1000], _Source(), 1000, Ticker("traces"), 100.0)
        assert slept == pytest.approx([5.0, 10.0], abs=0.5)

    def test_a_collector_that_takes_no_more_ends_it(self, made: list[RequestRecord]) -> None:
        with pytest.raises(Fault, match="takes no more"):
            day_send.send(made[:600], _Source(takes=False), 600, Ticker("logs"), math.inf)


FED = """
import sys
from pathlib import Path
from tests.bench import day_blocks
from tests.bench.day_requests import Plan, requests
from tests.bench.day_series import Server, scrapes, steps
plan = Plan(rate=5.0, hours=0.05, seed=1, end=1_790_000_000.0)
server = Server(Path(sys.argv[1]), (("job", "llm-server"),), plan.start, 5.0)
for chunk in day_blocks.chunks(scrapes(server, requests(plan), steps(plan, 5.0))):
    sys.stdout.writelines(day_blocks.lines(chunk))
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """OpenMetrics of three minutes, by a process of its own: a process has one registry."""
    command = [sys.executable, "-c", FED, str(tmp_path_factory.mktemp("day"))]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout


class TestSeries:
    def test_the_last_scrape_has_counted_every_request(self, text: str) -> None:
        plan = dataclasses.replace(PLAN, hours=0.05)
        last = f" {plan.end:.3f}"
        counted = sum(
            float(line.split()[-2])
            for line in text.splitlines()
            if line.startswith("llm_requests_total{") and line.endswith(last)
        )
        assert counted == len(list(requests(plan)))

    def test_every_series_has_a_sample_a_scrape_and_its_target_s_labels(self, text: str) -> None:
        heads = Counter(line.rpartition(" ")[0].rpartition(" ")[0] for line in text.splitlines())
        del heads[""]
        assert len(heads) > 1000
        known = [count for head, count in heads.items() if '="other"' not in head]
        assert set(known) == {36}
        assert all('job="llm-server"' in head for head in heads)

    def test_a_family_stands_together_and_has_no_exemplar(self, text: str) -> None:
        *lines, end = text.splitlines()
        names = [line.partition("{")[0] for line in lines]
        runs = [name for name, _ in groupby(names)]
        assert end == "# EOF"
        assert len(runs) == len(set(runs))
        assert "trace_id" not in text

    def test_the_scrapes_end_with_the_day(self) -> None:
        moments = steps(PLAN, 5.0)
        assert (len(moments), moments[-1]) == (720, PLAN.end)
        assert moments[0] == PLAN.start + 5.0

    def test_a_chunk_never_crosses_the_end_of_a_block(self) -> None:
        scrapes = [(float(moment), [("up", (), 1.0)]) for moment in (7195, 7200, 7205, 14400)]
        assert [chunk.moments for chunk in day_blocks.chunks(scrapes)] == [
            [7195], [7200, 7205], [14400],
        ]  # fmt: skip

    def test_a_series_that_comes_later_starts_later(self) -> None:
        chunk = day_blocks.Chunk()
        chunk.add((1.0, [("a", (), 1.0)]))
        chunk.add((2.0, [("a", (), 2.0), ("b", (("x", 'say "y"'),), 3.0)]))
        text = "".join(day_blocks.lines(chunk))
        assert text == 'a{} 1.0 1.000\na{} 2.0 2.000\nb{x="say \\"y\\""} 3.0 2.000\n# EOF\n'


class TestOthers:
    def test_every_metric_that_somebody_else_exposes_is_there(self) -> None:
        jobs = day_others.targets(REPO, RUNS.stores)
        assert {"llm-server", "prometheus", "jaeger", "victorialogs"} <= set(jobs)
        others = day_others.Others(jobs)
        list(others.samples())
        made = {name for name, _, _ in others.samples()}
        wanted = {s for m in READ for s in m.series if m.source in jobs or m.source == "every part"}
        assert wanted - {s for s in wanted if s.endswith("_bucket")} <= made

    def test_counters_never_fall_and_buckets_are_cumulative(self) -> None:
        others = day_others.Others(day_others.targets(REPO, RUNS.stores))
        rounds = [{(n, labels): v for n, labels, v in others.samples()} for _ in range(3)]
        for before, after in pairwise(rounds):
            grown = [key for key in before if key[0].endswith(("_total", "_count", "_bucket"))]
            assert all(after[key] >= before[key] for key in grown)


class TestRules:
    def test_a_rule_comes_after_what_it_reads(self) -> None:
        rules = day_rules.rules(REPO)
        turns = list(day_rules.levels(rules))
        assert sum(len(turn) for turn in turns) == len(rules)
        assert any(rule["record"] == "model:llm_requests:rate5m" for rule in turns[0])
        assert any(rule["record"] == "model_outcome:llm_requests:ratio_rate5m" for rule in turns[1])

    def test_rules_in_a_circle_are_named(self) -> None:
        circle = [{"record": "a:b:c", "expr": "d:e:f"}, {"record": "d:e:f", "expr": "a:b:c"}]
        with pytest.raises(Fault, match="a:b:c, d:e:f"):
            list(day_rules.levels(circle))


class TestFolder:
    @pytest.mark.parametrize("served", ["server/ledger.json", "run/up.json", "loki/chunks"])
    def test_a_folder_that_served_or_holds_something_else_is_refused_and_stays(
        self, tmp_path: Path, served: str
    ) -> None:
        file = tmp_path / served
        file.parent.mkdir(parents=True)
        file.write_text("{}")
        with pytest.raises(Fault, match="choose"):
            day_folder.take(tmp_path, Contents(PLAN, *RUNS.stores, complete=False))
        assert file.exists()

    def test_a_marked_folder_that_served_afterwards_is_refused(self, tmp_path: Path) -> None:
        contents = Contents(PLAN, *RUNS.stores, complete=False)
        day_folder.take(tmp_path, contents)
        (tmp_path / "server").mkdir()
        with pytest.raises(Fault, match="has served requests"):
            day_folder.take(tmp_path, contents)

    def test_a_day_is_replaced_by_another(self, tmp_path: Path) -> None:
        contents = Contents(PLAN, *RUNS.stores, complete=False)
        day_folder.take(tmp_path / "day", contents)
        (tmp_path / "day" / "old").write_text("")
        day_folder.take(tmp_path / "day", contents)
        assert not (tmp_path / "day" / "old").exists()

    def test_only_a_complete_day_of_the_stores_that_run_is_measured(self, tmp_path: Path) -> None:
        contents = Contents(PLAN, *RUNS.stores, complete=False)
        day_folder.take(tmp_path, contents)
        with pytest.raises(Fault, match="no complete day"):
            day_folder.read(tmp_path, RUNS)
        done = dataclasses.replace(contents, complete=True)
        day_folder.mark(tmp_path, done)
        assert day_folder.read(tmp_path, RUNS) == done
        with pytest.raises(Fault, match="jaeger and victorialogs"):
            day_folder.read(tmp_path, LineUp("tempo", "loki", grafana=False))


class TestStores:
    def test_only_the_wanted_programs_are_started_by_the_native_way_s_command_lines(self) -> None:
        names = [part.name for part in day_stores.parts(RUNS, filling=True)]
        found = day_stores.configuration(REPO, names)
        programs = {name for name in found.sections() if name.startswith("program:")}
        assert programs == {f"program:{name}" for name in names} and len(names) == 4
        assert "jaeger/jaeger.yaml" in found["program:jaeger"]["command"]
        assert not found.has_section("include")

    def test_the_collector_runs_only_while_the_stores_are_filled(self) -> None:
        names = {part.name for part in day_stores.parts(RUNS, filling=False)}
        assert names == {"prometheus", *RUNS.stores}


def _row(store: str, seconds: list[float], error: str = "", hours: int = 24) -> Row:
    timings = [Timing(each, error, empty=False) for each in seconds]
    return Row("Board", "Panel", frozenset({store}), {hours: timings})


class TestVerdict:
    def test_the_median_counts(self) -> None:
        row = _row("victorialogs", [9.0, 0.5, 0.4, 0.6, 9.0])
        assert row.median(24) == 0.6
        assert not list(row.faults())

    @pytest.mark.parametrize(
        ("store", "hours", "seconds", "fails"),
        [
            ("prometheus", 24, 2.1, True),
            ("jaeger", 24, 1.9, False),
            ("jaeger", 6, 9.0, False),
            ("loki", 24, 4.9, False),
            ("loki", 24, 5.1, True),
            ("loki", 1, 1.1, True),
        ],
    )
    def test_each_store_has_its_limits(
        self, store: str, hours: int, seconds: float, fails: bool
    ) -> None:
        found = list(_row(store, [seconds], hours=hours).faults())
        assert bool(found) == fails
        assert not found or f"Board / Panel at {hours} h" in found[0]

    def test_one_error_in_any_round_fails(self) -> None:
        row = _row("jaeger", [0.1])
        row.rounds[24].append(Timing(0.1, "Jaeger: refused", empty=True))
        assert list(row.faults()) == ["Board / Panel at 24 h: Jaeger: refused"]

    def test_a_panel_that_asks_two_stores_has_the_larger_limit(self) -> None:
        row = Row("B", "P", frozenset({"prometheus", "loki"}), {24: [Timing(4.0, "", empty=False)]})
        assert not list(row.faults())


def test_the_table_says_what_was_empty() -> None:
    row = Row("B", "P", frozenset({"loki"}), {1: [Timing(0.25, "", empty=True)]})
    assert list(day_table.lines([row], [1], markdown=True)) == [
        "| board | panel | 1 h, s |",
        "| --- | --- | ---: |",
        "| B | P | 0.250 (empty) |",
    ]
    assert list(day_table.lines([row], [1], markdown=False))[1].split() == [
        "B", "P", "0.250", "(empty)",
    ]  # fmt: skip


@pytest.mark.parametrize(("hours", "ranges"), [(24.0, [1, 6, 24]), (6.5, [1, 6]), (0.2, [1])])
def test_a_shorter_day_is_asked_for_less(hours: float, ranges: list[int]) -> None:
    assert day.ranges(hours) == ranges


def test_the_two_halves_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        day.arguments(["--fill-only", "--measure-only"])
    assert "not allowed with" in capsys.readouterr().err

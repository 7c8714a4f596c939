"""The day of the pictures: the same from the same seed, with an incident in every signal."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from server.catalogue import READ
from server.record.request import Outcome, RequestRecord
from tests.bench.scene import draw, fill, records, rules, story
from tests.bench.scene.engine import DEADLINE_SECONDS, Engine, Served, State
from tests.bench.scene.load import LoadTest
from tests.bench.scene.others import Others
from tests.bench.scene.push import Pusher, snappy, varint
from tests.bench.scene.rules import Steps, alert_labels, seconds, spells
from tests.bench.scene.story import END, INCIDENT, LOAD, SHOWN, Span
from tests.bench.scene.values import COUNTERS, GAUGES, Scraped

REPO = Path(__file__).resolve().parents[3]
HOUR = Span(SHOWN.start, END)
JOBS = {name: (("job", name),) for name in ("llm-server", "node-exporter", "otel-collector")}


def _engine(seed: int = 1) -> Engine:
    engine = Engine(seed)
    engine.run(ask for ask in story.asks(seed, HOUR.start) if ask.at in HOUR)
    return engine


@pytest.fixture(scope="module")
def engine() -> Engine:
    return _engine()


@pytest.fixture(scope="module")
def made(engine: Engine) -> list[tuple[Served, RequestRecord]]:
    return list(records.records(engine))


class TestStory:
    def test_the_day_is_fixed_by_its_seed_and_not_by_the_clock(self) -> None:
        first = [ask for ask in story.asks(1, HOUR.start) if ask.at in HOUR]
        assert first == [ask for ask in story.asks(1, HOUR.start) if ask.at in HOUR]
        assert first != [ask for ask in story.asks(2, HOUR.start) if ask.at in HOUR]
        assert story.DAY % 86_400 == 0
        assert all(one.at <= other.at for one, other in pairwise(first))

    def test_the_incident_is_25_minutes_within_what_is_shown(self) -> None:
        assert INCIDENT.seconds == 25 * 60
        assert INCIDENT.start in SHOWN
        assert INCIDENT.end in SHOWN
        assert INCIDENT.start - SHOWN.start > 1800

    def test_its_cause_is_one_tenant_s_documents(self) -> None:
        during = [ask for ask in story.asks(1, HOUR.start) if ask.at in INCIDENT]
        long = [ask for ask in during if ask.read >= 6100]
        assert {ask.tenant for ask in long} == {story.CULPRIT}
        assert story.incident_rate(INCIDENT.start - 1) == story.incident_rate(INCIDENT.end) == 0
        assert len(long) > 200

    def test_the_load_test_is_a_ramp(self) -> None:
        rates = [story.load_rate(LOAD.start + part * LOAD.seconds / 8) for part in range(8)]
        assert rates == sorted(rates)
        assert story.load_rate(LOAD.end) == 0
        assert story.stage_of(LOAD.end - 1) == len(story.RATES) - 1

    def test_scrapes_are_dense_where_a_picture_looks(self) -> None:
        moments = story.moments()
        steps = {round(b - a) for a, b in pairwise(moments)}
        assert steps == {5, 60}
        assert moments[-1] == END
        shown = [moment for moment in moments if moment in SHOWN]
        assert len(shown) == SHOWN.seconds / 5


class TestEngine:
    def test_the_cache_fills_and_requests_wait_only_in_the_incident(self, engine: Engine) -> None:
        calm = [one for one in engine.states if one.at < INCIDENT.start]
        worse = [one for one in engine.states if one.at in INCIDENT]
        assert max(one.waiting for one in calm) <= 2
        assert max(one.waiting for one in worse) > 30
        assert max(one.cache for one in worse) > 0.97
        assert max(one.cache for one in engine.states) <= 1
        assert worse[-1].preempted - calm[-1].preempted > 100

    def test_what_waits_comes_late_and_some_of_it_too_late(self, engine: Engine) -> None:
        during = [one for one in engine.served if one.ask.at in INCIDENT]
        before = [one for one in engine.served if one.ask.at < INCIDENT.start]
        assert _median_wait(before) < 0.3
        assert _median_wait(during) > 2
        ends = Counter(one.outcome for one in during)
        assert 0.005 < ends[Outcome.TIMEOUT] / len(during) < 0.2
        assert 0.005 < ends[Outcome.SERVER_ERROR] / len(during) < 0.2
        assert not [one for one in before if one.outcome is Outcome.TIMEOUT]

    def test_a_gauge_says_what_the_requests_say(self, engine: Engine) -> None:
        for moment, state in fill.states_at(
            engine.states, [INCIDENT.start + 300 * n for n in (1, 2, 3)]
        ):
            here = [one for one in engine.served if one.admitted is not None]
            running = [one for one in here if (one.admitted or 0) <= moment < one.ended]
            assert state.running == len(running)
            assert state.at == moment

    def test_shares_of_the_device_sum_to_the_time_it_was_busy(self, engine: Engine) -> None:
        shares = sum(one.device for one in engine.served)
        assert shares == pytest.approx(engine.states[-1].busy)

    def test_nobody_is_served_beyond_the_deadline(self, engine: Engine) -> None:
        assert max(one.ended - one.ask.at for one in engine.served) <= DEADLINE_SECONDS + 1e-6

    def test_a_state_goes_on_while_something_runs(self) -> None:
        later = State(0.0, running=2).later(10.0)
        assert (later.busy, later.share) == (10.0, 5.0)
        assert later.made == pytest.approx(2 * later.steps)
        assert State(0.0).later(10.0) == State(10.0)


def _median_wait(served: list[Served]) -> float:
    waits = sorted(one.first - one.ask.at for one in served if one.first is not None)
    return waits[len(waits) // 2]


class TestRecords:
    def test_phases_tile_the_request(self, made: list[tuple[Served, RequestRecord]]) -> None:
        for _, one in made:
            marks = [0.0, *(mark for phase in one.phases for mark in (phase.start, phase.end))]
            assert all(a == pytest.approx(b) for a, b in zip(marks[1::2], marks[::2], strict=False))
            assert not one.phases or marks[-1] == pytest.approx(one.duration_seconds)
            assert all(phase.seconds >= -1e-9 for phase in one.phases)

    def test_a_late_first_token_is_a_long_queue(
        self, made: list[tuple[Served, RequestRecord]]
    ) -> None:
        late = [one for _, one in made if (one.time_to_first_token_seconds or 0) > 10]
        assert late
        for one in late:
            queue = next(phase for phase in one.phases if phase.name == "queue")
            assert queue.seconds > 0.7 * (one.time_to_first_token_seconds or 0)

    def test_ids_are_of_the_seed(
        self, engine: Engine, made: list[tuple[Served, RequestRecord]]
    ) -> None:
        again = [record for _, record in records.records(engine)]
        assert again == [record for _, record in made]
        assert len({one.trace_id for one in again}) == len(again)


class TestAlerts:
    STEPS = Steps(Span(0.0, 120.0), 15.0)

    def test_it_waits_fires_and_is_kept(self) -> None:
        points = [(float(at), 1.0) for at in (15, 30, 45, 60)]
        course = list(spells(points, self.STEPS, wait=30, keep=30))
        assert [(at, fires) for at, _, fires in course] == [
            (15, False), (30, False), (45, True), (60, True), (75, True),
        ]  # fmt: skip
        assert {since for _, since, _ in course} == {15.0}

    def test_a_gap_begins_the_waiting_anew(self) -> None:
        points = [(float(at), 1.0) for at in (0, 15, 45, 60)]
        course = list(spells(points, self.STEPS, wait=30, keep=0))
        assert not any(fires for _, _, fires in course)
        assert [since for at, since, _ in course if at > 30] == [45.0, 45.0]

    def test_labels_are_its_own_and_those_it_read(self) -> None:
        rule = {"alert": "A", "labels": {"model": "{{ $labels.model_name }}", "team": "serving"}}
        labels = dict(alert_labels(rule, (("model_name", "m"), ("job", "j"))))
        assert labels == {
            "alertname": "A", "model": "m", "model_name": "m", "team": "serving", "job": "j",
        }  # fmt: skip

    def test_every_alert_that_we_ship_is_read(self) -> None:
        found = rules.alerts(REPO)
        assert {"ErrorBudgetBurn", "KvCachePreempting"} <= {rule["alert"] for rule in found}
        assert seconds("1h30m") == 5400
        assert seconds("90s") == 90


class TestPush:
    def test_numbers_and_literals_are_as_the_protocol_has_them(self) -> None:
        assert varint(300) == b"\xac\x02"
        assert b"".join(snappy(b"abc")) == b"\x03\xf4\x02\x00abc"
        long = b"".join(snappy(b"x" * 70_000))
        assert long.count(b"\xf4") == 2

    def test_an_exemplar_goes_with_its_sample(self) -> None:
        sent: list[bytes] = []
        pusher = Pusher(sent.append)
        pusher.add("a_bucket", (("le", "1"), ("gone", "")), 2.0, 1.0)
        pusher.exemplar("a_bucket", (("le", "1"), ("gone", "")), {"trace_id": "ff"}, 0.5, 1.0)
        pusher.send()
        (content,) = sent
        assert b"__name__" in content
        assert b"trace_id" in content
        assert b"gone" not in content
        pusher.send()
        assert len(sent) == 1


def test_the_load_test_is_drawn_when_it_ran() -> None:
    assert LOAD.start in draw.span_of("llm-loadtest")
    assert INCIDENT.start in draw.span_of("llm-overview")


def test_what_prometheus_would_make_of_now_is_left_out() -> None:
    from configparser import RawConfigParser

    from stack.settings import load
    from tests.bench import day_stores
    from tests.bench.scene.stores import changed

    config: RawConfigParser = day_stores.configuration(REPO, ["prometheus", "otel-collector"])
    changed(load(REPO), config)
    command = config.get("program:prometheus", "command")
    assert "/taking " in command
    assert "--web.enable-remote-write-receiver" in command
    assert "ENV_REPO)s/prometheus" not in command
    assert command.count("--config.file") == 1
    assert config.get("program:otel-collector", "command").count("--config=") == 3


class TestOthers:
    def test_the_parts_say_what_the_engine_did(self) -> None:
        others = Others(JOBS)
        before, state = State(0.0), State(5.0, 7, 3, 0.5, preempted=2, steps=100, made=700, busy=4)
        first = Scraped(5.0, 5.0, state, before, 4, Random(1))
        found = {
            (name, dict(labels).get("le", "")): value
            for name, labels, value in others.samples(first)
        }
        assert found["vllm:num_requests_running", ""] == 7
        assert found["vllm:num_requests_waiting", ""] == 3
        assert found["vllm:kv_cache_usage_perc", ""] == 0.5
        assert found["vllm:num_preemptions_total", ""] == 2
        assert found["vllm:iteration_tokens_total_count", ""] == 100
        assert found["vllm:inter_token_latency_seconds_bucket", "+Inf"] == 700
        assert found["traces_span_metrics_calls_total", ""] == 4

    def test_every_mode_of_a_core_adds_up_to_its_time(self) -> None:
        scraped = Scraped(5.0, 5.0, State(5.0, 20, busy=5), State(0.0), 0, Random(1))
        modes = [
            value
            for name, labels, value in Others(JOBS).samples(scraped)
            if name == "node_cpu_seconds_total" and dict(labels)["cpu"] == "0"
        ]
        assert sum(modes) == pytest.approx(5.0, rel=0.01)

    def test_what_may_be_absent_and_has_no_value_is_left_out(self) -> None:
        optional = {one.name for one in READ if one.source == "llm-server" and one.absent}
        scraped = Scraped(5.0, 5.0, State(5.0), State(0.0), 0, Random(1))
        names = {name for name, _, _ in Others(JOBS).samples(scraped)}
        assert not names & (optional - set(GAUGES) - set(COUNTERS))


class TestLoadTest:
    def test_it_counts_its_requests_while_it_runs(
        self, made: list[tuple[Served, RequestRecord]]
    ) -> None:
        load, (_, record) = LoadTest(), next(one for one in made if one[1].finish_reasons)
        load.ended(record)
        assert list(load.exposed(LOAD.start - 3600, 0)) == []
        found = {
            (sample.name, sample.labels.get("outcome", sample.labels.get("phase", ""))): sample
            for sample, _ in load.exposed(LOAD.end - 1, 5)
        }
        assert found["loadtest_requests_total", "ok"].value == 1
        assert found["loadtest_stage", "profiling"].value == len(story.RATES) - 1
        assert found["loadtest_in_flight_requests", ""].value == 5

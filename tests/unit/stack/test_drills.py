"""Drills: the table, who is expected and who is a stranger, targets, and the receiver."""

import datetime
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from server.pricing.budgets import read_budgets
from server.pricing.price_list import read_prices
from server.pricing.request_cost import MIN_OUTPUT_TOKENS
from server.settings import SettingsError
from stack import settings
from stack.alerts.alert import Alert
from stack.commands import drill as command
from stack.drills import aftermath, course, pages, routes, servers, table
from stack.drills.causes import cost, history
from stack.drills.drill import Drill, Expected, alerts
from stack.drills.receiver import Notice, Receiver, receiving
from stack.drills.rig import Rig
from stack.drills.scene import Scene
from stack.errors import Fault
from stack.http import answered, get_text
from tests.conftest import REPO

ALERTS = sorted((REPO / "prometheus" / "alerts").glob("*.yaml"))


def shipped() -> set[str]:
    files = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in ALERTS]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return {rule["alert"] for rule in rules if "alert" in rule}


def drilled() -> set[str]:
    return {one.name for drill in table.DRILLS for one in drill.expected} | {"Watchdog"}


def test_every_alert_has_a_drill() -> None:
    assert shipped() - drilled() == set()


def test_every_alert_of_the_table_is_shipped() -> None:
    allowed = {one.name for drill in table.DRILLS for one in drill.allowed}
    assert (drilled() | allowed) - shipped() - {"DrillProbe"} == set()


def test_all_of_them_expect_what_each_does() -> None:
    every = {str(one) for drill in table.DRILLS for one in drill.expected}
    assert {str(one) for drill in table.ALL for one in drill.expected} == every


def test_names_are_a_drills_own_and_fit_the_list() -> None:
    names = [drill.name for drill in table.DRILLS]
    assert len(set(names)) == len(names) >= 20
    assert all(len(name) <= 22 and name == name.lower() for name in names)


def test_drills_of_one_server_stand_together_and_what_ends_with_it_last() -> None:
    seen = [drill.server for drill in table.DRILLS]
    assert len([s for n, s in enumerate(seen) if n == 0 or seen[n - 1] != s]) == len(set(seen))
    for server in set(seen):
        ends = [drill.ends_with_server for drill in table.DRILLS if drill.server == server]
        assert ends == sorted(ends)


@contextmanager
def nothing(_: Scene) -> Iterator[None]:
    yield


def a_drill(*names: str, allowed: tuple[str, ...] = ()) -> Drill:
    return Drill("x", "x", alerts(*names), nothing, alerts(*allowed))


def notice(name: str, ended: float = 0.0, **labels: str) -> Notice:
    return Notice({"alertname": name, **labels}, 1.0, 2.0, ended)


def test_a_stranger_is_what_neither_is_expected_nor_allowed() -> None:
    drill = a_drill("A", allowed=("B",))
    came = [notice("A"), notice("B"), notice("Watchdog"), notice("D"), notice("C"), notice("D")]
    assert course.strangers(drill, came, 1.0) == ["C", "D"]
    assert course.strangers(drill, came, 1.0, ("D",)) == ["C"]


def test_what_fired_before_the_cause_is_no_stranger() -> None:
    assert course.strangers(a_drill("A"), [notice("EngineStalled", ended=4.0)], 1.5) == []


def test_a_forecast_of_the_real_disk_is_noise_and_the_drills_own_is_not() -> None:
    real, ours = (
        notice("DiskWillFill", instance="x:9100"),
        notice("DiskWillFill", instance="drill-machine"),
    )
    assert course.strangers(a_drill("A"), [real], 1.0) == []
    assert course.strangers(a_drill("A"), [real, ours], 1.0) == ["DiskWillFill"]


def alert(name: str, **labels: str) -> Alert:
    return Alert({"alertname": name, **labels}, {}, True, 1.0, "")


def test_a_busy_machine_is_waited_for_by_the_drill_that_expects_it_alone() -> None:
    fires = [alert("EventLoopLagHigh"), alert("TargetDown"), alert("DiskWillFill", instance="x")]
    assert [one.name for one in course.loud(a_drill("A"), fires)] == ["TargetDown"]
    lag = course.loud(a_drill("EventLoopLagHigh"), fires)
    assert [one.name for one in lag] == ["EventLoopLagHigh", "TargetDown"]


def test_an_expected_alert_is_known_by_its_labels() -> None:
    down = Expected("TargetDown", {"job": "x"})
    assert down.is_met_by({"alertname": "TargetDown", "job": "x", "instance": "i"})
    assert not down.is_met_by({"alertname": "TargetDown", "job": "y"})
    assert not down.is_met_by({"alertname": "TargetMissing", "job": "x"})
    assert str(down) == "TargetDown{job=x}"


def post(url: str, body: Any) -> int:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answered(url, text)[0]


def sent(status: str, name: str = "A") -> dict[str, Any]:
    start = "2026-01-01T12:00:00.5Z"
    return {"alerts": [{"status": status, "labels": {"alertname": name}, "startsAt": start}]}


def test_the_receiver_remembers_when_an_alert_came_and_when_it_ended() -> None:
    with receiving() as heard:
        assert post(heard.url, sent("firing")) == 200
        (first,) = heard.notices()
        assert (first.name, first.fired, first.ended) == ("A", 1767268800.5, 0.0)
        assert post(heard.url, sent("firing")) == 200
        assert heard.notices() == [first]
        assert post(heard.url, sent("resolved")) == 200
        (ended,) = heard.notices()
        assert (ended.arrived, ended.ended > 0) == (first.arrived, True)
        assert post(heard.url, sent("firing")) == 200
        assert not heard.notices()[0].ended
        heard.forget()
        assert heard.notices() == []


def test_an_end_without_a_beginning_is_of_an_earlier_drill() -> None:
    with receiving() as heard:
        assert post(heard.url, sent("resolved")) == 200
        assert heard.notices() == []


def test_a_receiver_can_refuse_one_alert() -> None:
    with receiving() as heard:
        heard.refuses = "A"
        assert post(heard.url, sent("firing", "A")) == 500
        assert post(heard.url, sent("firing", "B")) == 200
        assert [one.name for one in heard.notices()] == ["B"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"alerts": [1]}', b'{"alerts": 3}'])
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    with receiving() as heard:
        assert post(heard.url, body) == 400
        assert heard.notices() == []


def test_a_target_exposes_its_series_as_they_are_now() -> None:
    page = pages.recorded(
        pages.Series('a{b="c"}', pages.steady(0.5)),
        pages.Series("n_total", pages.rising(2, start=10, until=5)),
        pages.Series("j", pages.jumping(3, 7)),
    )
    assert page.text(0.0) == 'a{b="c"} 0.5\nn_total 10.0\nj 0.0\n'
    assert page.text(4.0) == 'a{b="c"} 0.5\nn_total 18.0\nj 7\n'
    assert page.text(60.0).splitlines()[1] == "n_total 20"
    with pages.serving(page) as address:
        assert (get_text(f"http://{address}/metrics") or "").startswith('a{b="c"} 0.5')


def test_a_target_can_fail_and_be_late() -> None:
    page = pages.Page(lambda _: "x 1\n", delay=0.05, is_down=lambda number: number == 1)
    with pages.serving(page) as address:
        began = time.monotonic()
        url = f"http://{address}/"
        assert [answered(url)[0] for _ in range(3)] == [200, 503, 200]
        assert time.monotonic() - began >= 3 * page.delay


CONFIGURATIONS = {
    "shipped": (REPO / "alertmanager" / "alertmanager.yaml").read_text(encoding="utf-8"),
    "no routes": "route:\n  receiver: x\n\nreceivers:\n  - name: x\n",
    "no indent": "route: # comment\n    receiver: x\nreceivers:\n- name: x\n# end\n",
    "routes": "route:\n  routes:\n  - receiver: x\n    routes:\n      - receiver: y\n"
    "  receiver: x\nreceivers: # all\n- name: x\n- name: y\n",
    "receivers first": "receivers:\n    - name: x\nroute:\n  receiver: x\n  routes:\n"
    "    # why\n    - receiver: x\n",
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_drills_receiver_stands_first_and_all_else_stays(name: str) -> None:
    text = CONFIGURATIONS[name]
    before = yaml.safe_load(text)
    after = yaml.safe_load(routes.with_drill(text, "http://127.0.0.1:1/"))
    first, *others = after["route"].pop("routes")
    assert others == before["route"].pop("routes", [])
    assert first["receiver"] == "drill" and "continue" not in first
    assert first["matchers"] == ["alertname != Watchdog"] and first["group_by"] == ["..."]
    ours, *receivers = after.pop("receivers")
    assert receivers == before.pop("receivers")
    assert ours["webhook_configs"][0]["url"] == "http://127.0.0.1:1/"
    assert after == before


@pytest.mark.parametrize("text", ["", "route: {receiver: x}\n", "receivers:\n  - name: x\n"])
def test_a_configuration_without_a_place_for_it_is_refused(text: str) -> None:
    with pytest.raises(routes.NoPlaceError):
        routes.with_drill(text, "http://127.0.0.1:1/")


def test_the_rig_writes_every_shipped_file(tmp_path: Path) -> None:
    rig = Rig(settings.load(REPO, {"STATE_DIR": str(tmp_path)}))
    left = rig.extra / "drill-3.yaml"
    left.parent.mkdir(parents=True)
    left.write_text("left over by a drill that was killed")
    rig.write()
    assert not left.exists()
    for name in ("rules", "alerts"):
        written = {file.name for file in (rig.folder / name).iterdir()}
        assert written == {file.name for file in (REPO / "prometheus" / name).glob("*.yaml")}
    config = yaml.safe_load((rig.folder / "prometheus.yaml").read_text())
    shipped_config = yaml.safe_load((REPO / "prometheus" / "prometheus.yaml").read_text())
    assert config["global"].pop("evaluation_interval") == "5s"
    shipped_config["global"].pop("evaluation_interval")
    assert config == shipped_config
    for file in [*(rig.folder / "rules").iterdir(), *(rig.folder / "alerts").iterdir()]:
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            assert group["query_offset"] == "0s", (file.name, group["name"])


def asked(**values: str) -> list[str]:
    return [one.name for one in command.chosen(settings.load(REPO, values))]


def test_drills_are_chosen_by_name_or_all() -> None:
    assert asked() == []
    assert asked(CAUSE="target-missing") == ["target-missing"]
    assert asked(CAUSE="target-missing,alertlog-down") == ["alertlog-down", "target-missing"]
    assert asked(ALL="1") == [drill.name for drill in table.ALL]
    with pytest.raises(Fault, match="CAUSE=nobody is no drill"):
        asked(CAUSE="nobody")


def test_the_list_names_each_drill_and_what_comes_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.drill(settings.load(REPO, {})) == 0
    said = capsys.readouterr().out
    for drill in table.DRILLS:
        assert drill.name in said
        assert all(str(one) in said for one in drill.expected)


def test_a_drill_without_a_stack_is_refused(tmp_path: Path) -> None:
    here = settings.load(REPO, {"STATE_DIR": str(tmp_path), "CAUSE": "target-missing"})
    with pytest.raises(Fault, match="no native stack"):
        command.drill(here)


def matches(silence: dict[str, Any], labels: dict[str, str]) -> bool:
    """As Alertmanager would: all matchers, and a label that is not there is empty."""

    def one(matcher: dict[str, Any]) -> bool:
        text = labels.get(matcher["name"], "")
        if matcher["isRegex"]:
            return re.fullmatch(matcher["value"], text) is not None
        return bool(matcher["value"] == text)

    return all(map(one, silence["matchers"]))


def test_what_a_drill_leaves_behind_is_silenced_and_nothing_else() -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    drills = [a_drill("A", allowed=("B.",)), a_drill("C", "TargetRestarted", "TargetDown")]
    (made,) = aftermath.silences(course.touched(drills, "m"), now)
    for name in ("A", "B.", "C", "TargetRestarted"):
        assert matches(made, {"alertname": name})
    for name in ("Bx", "Watchdog", "AB", "", "TargetDown"):
        assert not matches(made, {"alertname": name})
    assert made["endsAt"] == "2026-01-01T00:15:00+00:00"


def silenced(labels: dict[str, str]) -> bool:
    """True when the silences of all drills together keep this alert back."""
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    every = aftermath.silences(course.touched(table.DRILLS, "tiny"), now)
    return any(matches(one, labels) for one in every)


@pytest.mark.parametrize(
    ("name", "ours", "real"),
    [
        ("GpuFailing", {"instance": "drill-gpu", "gpu": "0"}, {"instance": "a:9464", "gpu": "0"}),
        ("AdmissionLivelock", {"instance": "drill-engine"}, {"instance": "a:9464"}),
        ("DiskSpaceLow", {"instance": "drill-machine"}, {"instance": "a:9100"}),
        ("TenantBudgetExceeded", {"tenant": servers.SPENDER}, {"tenant": "acme"}),
        ("TenantBudgetSoft", {"tenant": "drill"}, {"tenant": "acme"}),
        ("AlertDeliveryFailing", {"receiver_name": "drill"}, {"receiver_name": "pagerduty"}),
        ("ErrorBudgetBurn", {"model": "tiny"}, {"model": "another"}),
        ("RequestTokensExtreme", {"model": "drill"}, {"model": "another"}),
        ("TargetRestarted", {"job": "alertlog"}, {"job": "grafana"}),
    ],
)
def test_a_real_alert_is_heard_while_the_drills_own_is_kept_back(
    name: str, ours: dict[str, str], real: dict[str, str]
) -> None:
    assert silenced({"alertname": name, **ours})
    assert not silenced({"alertname": name, **real})


def test_no_critical_alert_is_silenced_by_its_name_alone() -> None:
    critical = {
        rule["alert"]
        for path in (REPO / "prometheus" / "alerts").glob("*.yaml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if rule["labels"]["severity"] == "critical"
    }
    for name in critical:
        assert not silenced({"alertname": name}), name


@pytest.mark.parametrize("drill", [d for d in table.DRILLS if d.recorded], ids=lambda d: d.name)
def test_a_drill_on_recorded_series_expects_alerts_about_these(drill: Drill) -> None:
    for one in drill.expected:
        about_all = one.name in ("TelemetryRefused", "ExemplarsMissing", "SecondBackendFailing")
        assert about_all or any(text.startswith("drill") for text in one.labels.values()), one


def test_a_past_is_one_value_at_every_step() -> None:
    made = history.document("m:n", {"model": "x"}, 2.5, 1000.0, 1100.0)
    (metric,) = made["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    points = metric["gauge"]["dataPoints"]
    times = [int(point["timeUnixNano"]) for point in points]
    assert (metric["name"], {point["asDouble"] for point in points}) == ("m:n", {2.5})
    assert (times[0], len(times), times == sorted(set(times))) == (10**12, 5000, True)
    assert times[-1] < 1100 * 10**9


def test_an_outage_after_a_drill_is_heard() -> None:
    assert "TargetDown" in aftermath.HEARD and "EngineStalled" in aftermath.HEARD
    assert set(aftermath.HEARD) <= shipped() | {"EngineStalled"}


def test_a_drill_that_exchanges_no_server_restarts_nothing() -> None:
    assert course.touched([a_drill("A", allowed=("B",))], "m") == [Expected("A"), Expected("B")]
    other = Drill("x", "x", alerts("A"), nothing, server="small")
    hasty = Drill("x", "x", alerts("ErrorBudgetBurn"), nothing, server=servers.HASTY)
    assert course.touched([hasty], "m")[0].labels == {"model": "drill-hasty"}
    names = [one.name for one in course.touched([other], "m")]
    assert names == ["A", *course.RESTART]
    assert course.touched([other], "m")[1].labels == {"job": "llm-server"}


@pytest.fixture
def served(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The files and the variables of the small server."""
    variables = {"SERVED_MODEL_NAME": 'odd: "name"', "VLLM_ARGS": "--dtype float32"}
    hands = SimpleNamespace(variables=lambda: variables)
    scene = Scene(None, hands, None, Receiver())  # type: ignore[arg-type]
    return tmp_path, dict(servers.small(scene, tmp_path))


def test_the_small_server_reads_its_files(served: tuple[Path, dict[str, str]]) -> None:
    folder, changed = served
    assert changed["VLLM_ARGS"] == "--dtype float32 --max-num-seqs 2"
    known = read_budgets(Path(changed["LLM_SERVER_BUDGETS"]))
    assert known.tenants[servers.SPENDER].day == Decimal("0.00001")
    keys = yaml.safe_load(Path(changed["LLM_SERVER_KEYS"]).read_text())["tenants"]
    assert set(keys.values()) == {servers.KEY, servers.SPENDER}
    assert Path(changed["LLM_SERVER_PRICES"]) == servers.prices(folder)


def test_a_dear_request_counts_and_is_dearer_than_the_threshold(
    served: tuple[Path, dict[str, str]],
) -> None:
    day = datetime.date(2026, 6, 1)
    price = read_prices(servers.prices(served[0])).model_price("drill-small", day)
    assert price
    assert cost.DEAR.tokens_out >= MIN_OUTPUT_TOKENS
    per_1k = cost.DEAR.tokens_in * float(price.input) / cost.DEAR.tokens_out * 1000
    text = (REPO / "prometheus" / "alerts" / "cost.yaml").read_text(encoding="utf-8")
    assert 'le="100000.0"' in text and per_1k > 2 * 100_000


def test_the_drills_price_list_is_sound_until_it_is_spoiled(
    served: tuple[Path, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = servers.prices(served[0])
    assert read_prices(file)
    text = file.read_text()
    assert text.count(servers.PRICE) == 1
    file.write_text(text.replace(servers.PRICE, "    input: free"))
    with pytest.raises(SettingsError, match="input"):
        read_prices(file)

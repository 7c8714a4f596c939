"""The catalogue is the only truth: nothing made, read or named beside it."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from server.catalogue import ALL, BY_SERIES, MADE, Kind, Metric, cost, device_bill, own
from server.catalogue.promql import Selector, grouped, is_nameless, selectors
from server.catalogue.slo import Threshold, alerts, problems, read
from server.catalogue.uses import Use, unused, uses, wrong

REPO = Path(__file__).parents[3]
INSTRUMENTS = re.compile(r"Counter|Gauge|Histogram|Summary|Info|Enum|\w+MetricFamily")


def made_in(path: Path) -> Iterator[str]:
    """The instruments and families that a file imports from prometheus_client."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client"):
            yield from (n.name for n in node.names if INSTRUMENTS.fullmatch(n.name))
        if isinstance(node, ast.Attribute) and INSTRUMENTS.fullmatch(node.attr):
            yield node.attr


def test_instruments_are_made_in_one_file_only() -> None:
    found = {path.relative_to(REPO).as_posix(): set(made_in(path)) for path in sources()}
    makers = {name: made for name, made in found.items() if made}
    # The picture reads the default buckets of Histogram and makes none.
    assert set(makers) == {"server/signals/instruments.py", "server/catalogue/picture.py"}
    assert makers["server/catalogue/picture.py"] == {"Histogram"}


def sources() -> list[Path]:
    return sorted((REPO / "server").rglob("*.py"))


LEDGER = {
    *device_bill.BILL_METRICS, cost.GPU_COST, cost.TENANT_GPU_COST, cost.SPEND_TODAY,
    cost.SPEND_MONTH, cost.BUDGET_DAY_USED, cost.BUDGET_MONTH_USED, cost.BUDGET_SOFT,
}  # fmt: skip


def test_each_record_has_one_instrument_of_its_kind_and_labels() -> None:
    from server.signals import instruments as metrics

    instruments = {
        value._name: value
        for value in vars(metrics).values()
        if hasattr(value, "_labelnames") and hasattr(value, "_type")
    }
    # Read at the scrape by collectors, from /proc and from the ledger.
    collected = {own.PROCESS_CPU, own.PROCESS_MEMORY, *LEDGER}
    expected = [
        m for m in (*own.OWN, *cost.COST_METRICS, *device_bill.BILL_METRICS) if m not in collected
    ]
    assert set(instruments) == {metric.family for metric in expected}
    for metric in expected:
        made = instruments[metric.family]
        assert (made._type, made._labelnames) == (metric.kind.value, metric.labels)
        if metric.kind is Kind.HISTOGRAM:
            assert tuple(made._upper_bounds[:-1]) == metric.buckets
    assert {f.name for f in REGISTRY.collect()} >= {metric.family for metric in expected}


def test_names_units_and_texts_are_in_order() -> None:
    names = [metric.name for metric in ALL]
    assert len(names) == len(set(names))
    for metric in MADE:
        assert metric.help.endswith("."), metric.name
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total"), metric.name
        assert metric.unit in ("1", *metric.unit.split("_")), metric.name
        assert (metric.kind is Kind.HISTOGRAM) == bool(metric.buckets), metric.name
        base = metric.unit.split()[0]
        if base in ("seconds", "bytes", "microdollars", "ratio", "watts", "joules", "celsius"):
            assert base in metric.name, metric.name


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up == 0", ["up"]),
        ('rate(a_total{x="b{c}"}[5m]) / on (x) group_left (y) sum by (z) (d)', ["a_total", "d"]),
        ("histogram_quantile(0.9, sum by (le) (rate(h_bucket[$__rate_interval])))", ["h_bucket"]),
        ('vllm:x{model_name=~"$model"} or vector(0)', ["vllm:x"]),
        ("increase(a[10m] offset 5m) > 1e3 and on () b unless c", ["a", "b", "c"]),
        ('label_replace(up, "a", "$1", "b", "(c)")', ["up"]),
        ("max_over_time(a[1h:5m]) > bool 2 * inf", ["a"]),
        ("topk(3, a) # half", ["a"]),
    ],
)
def test_names_are_found_in_promql(expression: str, names: list[str]) -> None:
    assert [selector.name for selector in selectors(expression)] == names


@pytest.mark.parametrize(
    ("expression", "nameless"),
    [
        ('{__name__="llm_requests_total"}', True),
        ('sum by (le) ({__name__=~"llm_.*", job="llm-server"})', True),
        ('rate({"llm_requests_total"}[5m])', True),
        ('a / {b="c"}', True),
        ('a{b="{c}"}', False),
        ('sum by (a) (b {c="d"}) / on (e) f', False),
        ('a{b=~"$x"} > ${y}', False),
        ('label_replace(a{b="c"}, "d", "{e}", "", "")', False),
    ],
)
def test_a_selector_without_a_name_is_seen(expression: str, nameless: bool) -> None:
    assert is_nameless(expression) is nameless


def test_labels_are_found_in_promql() -> None:
    found = list(selectors('a{b="1", c!~"x=y", d=~\'z\'} + e'))
    assert found == [Selector("a", ("b", "c", "d")), Selector("e", ())]
    assert grouped('sum by (a, b) (rate(c{d="by (x)"}[5m])) / on (e) f') == {"a", "b", "e"}


FOREIGN = 'llm_tokens_total lacks job="llm-server": others may use that name too'
KNOWN = {"llm_tokens_total": own.TOKENS}


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ('rate(llm_tokens_total{job="llm-server"}[5m])', ""),
        ('llm_tokens_total{instance="y", kind="output", job="llm-server"}', ""),
        ("llm_token_total", "nothing exposes llm_token_total"),
        ('llm_tokens_total{job="llm-server", tenant="a"}', "llm_tokens_total has no label tenant"),
        (
            'sum by (tenant) (llm_tokens_total{job="llm-server"})',
            "groups by tenant, which nothing in it has",
        ),
        ("rate(llm_tokens_total[5m])", FOREIGN),
        ('llm_tokens_total{job="other"}', FOREIGN),
        ('llm_tokens_total{job=~"llm-server"}', FOREIGN),
        ('llm_tokens_total{a_job="llm-server"}', FOREIGN),
        ('sum(llm_tokens_total{job="llm-server"}) / sum(llm_tokens_total)', FOREIGN),
        ("recorded:by:rule", ""),
    ],
)
def test_what_a_query_will_not_find_is_named(expression: str, fault: str) -> None:
    found = list(wrong(Use("panel P", expression), KNOWN, {"recorded:by:rule"}))
    found = [line for line in found if "no label a_job" not in line]
    assert found == ([f"panel P: {fault}"] if fault else [])


def test_only_what_the_server_exposes_needs_its_job() -> None:
    for name in ("traces_span_metrics_calls_total", "vllm:num_requests_running", "gpu_power_watts"):
        assert BY_SERIES[name].is_of_server
    for name in ("up", "node_cpu_seconds_total", "otelcol_exporter_sent_spans_total"):
        assert not BY_SERIES[name].is_of_server


def test_a_metric_that_nothing_asks_for_is_named() -> None:
    every = [Use("a", metric.series[-1]) for metric in ALL[1:] if not metric.unused]
    (line,) = unused(every)
    assert line.startswith(f"{ALL[0].name} is used by nothing")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The parts of the checkout that `make check` reads names from."""
    for folder in ("server", "prometheus", "grafana", "docs", "stack"):
        ignored = shutil.ignore_patterns("__pycache__", "targets")
        shutil.copytree(REPO / folder, tmp_path / folder, ignore=ignored)
    return tmp_path


def run_uses(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.catalogue.uses"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("metric", [own.REQUESTS, own.REQUEST_DURATION, own.OLDEST_WAITING])
def test_a_rename_names_every_rule_alert_and_panel_that_used_it(metric: Metric, copy: Path) -> None:
    path = copy / "server/catalogue/own.py"
    text = path.read_text()
    path.write_text(text.replace(f'"{metric.name}"', f'"x_{metric.name}"'))
    done = run_uses(copy)
    assert done.returncode == 1
    touched = {use.where for use in uses() if metric.name in use.expression}
    assert touched, "nothing uses it: this test would check nothing"
    for where in touched:
        assert re.search(rf"^{re.escape(where)}: nothing exposes {metric.name}", done.stderr, re.M)


def test_thresholds_are_edges_and_their_alerts_carry_them() -> None:
    assert problems(read(), alerts()) == []
    assert len(read()) > 10


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"value": 61}, "is no edge of"),
        ({"metric": "llm_gone"}, "is not in the catalogue"),
        ({"alert": "Gone"}, "there is no alert Gone"),
        ({"alert": "TargetDown"}, "TargetDown does not carry 60"),
        ({"good": "left"}, "`good` must be"),
    ],
)
def test_a_wrong_threshold_is_named(change: dict[str, object], fault: str) -> None:
    good: dict[str, object] = {
        "name": "t", "metric": "gen_ai_server_request_duration_seconds", "value": 60,
        "unit": "s", "good": "below", "alert": "",
    }  # fmt: skip
    assert problems((Threshold(**good),), {"TargetDown": "up == 0"}) == []  # type: ignore[arg-type]
    (line,) = problems((Threshold(**good | change),), {"TargetDown": "up == 0"})  # type: ignore[arg-type]
    assert fault in line


def test_the_guard_watches_the_last_edge_of_every_grid_that_boards_read() -> None:
    found = {}
    for group in yaml.safe_load((REPO / "prometheus/alerts/red.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            ((name, edge),) = re.findall(
                r'([\w:]+)_bucket\{job="llm-server", le="([^"]+)"\}', rule["expr"]
            )
            assert rule["labels"]["metric"] == name
            found[name] = float(edge)
    guarded = {m.name: m.buckets[-1] for m in ALL if m.buckets and m.name in found}
    assert found == guarded
    own_quantiles = {m.name for m in MADE if m.buckets} - {own.EVENT_LOOP_LAG.name}
    assert own_quantiles <= set(found), "a quantile of ours has no guard"


def all_alerts() -> Iterator[tuple[str, dict[str, str]]]:
    for path in sorted(REPO.glob("prometheus/alerts/*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from ((rule["alert"], rule["annotations"]) for rule in group["rules"])


@pytest.mark.parametrize(("alert", "annotations"), list(all_alerts()), ids=lambda x: str(x)[:30])
def test_each_alert_has_a_chapter_in_a_runbook(alert: str, annotations: dict[str, str]) -> None:
    page, _, anchor = annotations["runbook_url"].partition("#")
    assert anchor == alert.lower()
    chapter = REPO / f"docs/runbooks/{page.removeprefix('http://127.0.0.1:9095/runbooks/')}.md"
    assert re.search(rf"^## {alert}$", chapter.read_text(), re.M)


def test_every_alert_has_a_scenario_that_fires_and_one_that_stays_silent() -> None:
    fires, silent = set(), set()
    for path in REPO.glob("tests/rules/*.yaml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for check in test.get("alert_rule_test", ()):
                (fires if check["exp_alerts"] else silent).add(check["alertname"])
            for check in test.get("promql_expr_test", ()):
                named = re.search(r'alertname="(\w+)"', check["expr"])
                if named:
                    (fires if check.get("exp_samples") else silent).add(named[1])
    every = {alert for alert, _ in all_alerts()}
    assert fires >= every, every - fires
    assert silent >= every, every - silent


def test_series_names() -> None:
    assert cost.REQUEST_COST.series[0] == "llm_request_cost_microdollars_bucket"
    assert BY_SERIES["llm_tokens_total"] is own.TOKENS
    assert own.TOKENS.family == "llm_tokens"

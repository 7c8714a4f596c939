"""The collapsed rows' queries, as Prometheus answers them with a feature of vLLM and without."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from grafana.dashboards import engine
from grafana.pictures import board, expand, values
from grafana.pictures.board import Panel
from server.catalogue.record import Kind, Metric
from server.catalogue.vllm import VLLM
from stack.stores.protocol import Window

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on PATH")
(USE,) = (one for one in board.load() if one.uid == "llm-use")
PANELS = {
    raw["title"]: Panel(raw)
    for row in USE.raw["panels"]
    for raw in row.get("panels") or []
    if raw.get("targets")
}
SCRAPED = {"job": "llm-server", "instance": "i"}
OPEN = dict.fromkeys(("model", "tenant", "instance"), ".*")
MACROS = expand.macros(Window(0, 1800), 15.0, "15s")
Series = dict[str, str]


def series(name: str, steps: str, **labels: str) -> Series:
    every = ", ".join(f'{key}="{value}"' for key, value in (SCRAPED | labels).items())
    return {"series": f"{name}{{{every}}}", "values": steps}


def growing(name: str, a_minute: int, **labels: str) -> Series:
    return series(name, f"0+{a_minute}x10", **labels)


def exposed(metric: Metric) -> list[Series]:
    """A server's series of one metric, each growing by the minute."""
    labels = dict.fromkeys(metric.labels, "dropped_x") | {"model_name": "m"}
    labels = {name: labels[name] for name in metric.labels}
    if metric.kind is not Kind.HISTOGRAM:
        return [growing(metric.name, 60, **labels)]
    uppers = [growing(f"{metric.name}_bucket", 60, **labels, le=le) for le in ("1", "+Inf")]
    return [*uppers, *(growing(f"{metric.name}{end}", 60, **labels) for end in ("_sum", "_count"))]


def filled(expression: str) -> str:
    return expand.fill(expression, OPEN | MACROS)


def assert_answers(folder: Path, given: list[Series], wanted: dict[str, dict[str, float]]) -> None:
    """Ask promtool for each expression at the tenth minute: its samples by their labels."""
    asked = [
        {
            "expr": filled(expression),
            "eval_time": "10m",
            "exp_samples": [{"labels": k, "value": v} for k, v in samples.items()],
        }
        for expression, samples in wanted.items()
    ]
    test = {"interval": "1m", "input_series": given, "promql_expr_test": asked}
    path = folder / "rows.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [], "fuzzy_compare": True, "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def asked(title: str) -> list[str]:
    return [target["expr"].replace("$__rate_interval", "2m") for target in PANELS[title].targets]


def test_every_query_answers_where_its_feature_is(tmp_path: Path) -> None:
    given = [one for metric in VLLM for one in exposed(metric)]
    queries = [query for title in PANELS for query in asked(title)]
    assert len(queries) > 30
    assert_answers(tmp_path, given, {f"count({query}) > bool 0": {"{}": 1} for query in queries})


def test_no_query_answers_or_fails_where_no_feature_is(tmp_path: Path) -> None:
    lacking = {metric.name for metric in VLLM if metric.absent}
    given = [one for m in VLLM if not m.absent for one in exposed(m)]
    queries = [q for title in PANELS for q in asked(title) if any(name in q for name in lacking)]
    assert len(queries) > 20
    assert_answers(tmp_path, given, {f"count({query})": {} for query in queries})


def test_drafts(tmp_path: Path) -> None:
    name, own = "vllm:spec_decode_num", {"engine": "0", "model_name": "m"}
    given = [
        growing(f"{name}_drafts_total", 60, **own),
        growing(f"{name}_draft_tokens_total", 120, **own),
        growing(f"{name}_accepted_tokens_total", 90, **own),
        growing(f"{name}_accepted_tokens_per_pos_total", 60, **own, position="0"),
        growing(f"{name}_accepted_tokens_per_pos_total", 30, **own, position="1"),
    ]
    (share,), (places,), (tokens,) = (
        asked("Drafted tokens accepted"),
        asked("Accepted, by place in the draft"),
        asked("Tokens per step"),
    )
    wanted = {
        share: {'{model_name="m"}': 0.75},
        places: {'{position="0"}': 1.0, '{position="1"}': 0.5},
        tokens: {'{model_name="m"}': 2.5},
    }
    assert_answers(tmp_path, given, wanted)


def test_a_cache_that_was_not_asked_has_no_share_of_hits(tmp_path: Path) -> None:
    own = {"engine": "0", "model_name": "m"}
    given = [
        growing("vllm:prefix_cache_queries_total", 100, **own),
        growing("vllm:prefix_cache_hits_total", 25, **own),
        series("vllm:external_prefix_cache_queries_total", "0x10", **own),
        series("vllm:external_prefix_cache_hits_total", "0x10", **own),
    ]
    local, external, _ = asked("Hits, by cache")
    assert_answers(tmp_path, given, {local: {"{}": 0.25}, external: {}})


def test_of_all_mixes_of_adapters_the_newest_holds(tmp_path: Path) -> None:
    name, slots = "vllm:lora_requests_info", {"max_lora": "2"}
    given = [
        series(name, "5x10", **slots, running_lora_adapters="a,b", waiting_lora_adapters="c"),
        series(name, "9x10", **slots, running_lora_adapters="b", waiting_lora_adapters=""),
    ]
    (newest,) = asked("Adapters in the engine")
    labels = '{instance="i", job="llm-server", max_lora="2", running_lora_adapters="b"}'
    assert_answers(tmp_path, given, {newest: {labels: 9000}})


def test_a_heading_ends_in_what_the_servers_lack(tmp_path: Path) -> None:
    told = {v["name"]: values.told(v) for v in USE.variables if v["name"] in engine.ABSENT}
    wanted = {f"count by (le) ({query})": {'{le=": none on this server"}': 1.0} for query in
              told.values()}  # fmt: skip
    assert_answers(tmp_path, [series("up", "1x10")], wanted)
    for name, signs in engine.ABSENT.items():
        for sign in signs.split():
            assert_answers(tmp_path, [series(sign, "0x10")], {told[name]: {}})

"""Where a ranking of the worst requests begins, as Prometheus answers the boards' variables."""

import json
import shutil
import subprocess
from itertools import accumulate
from pathlib import Path

import pytest
import yaml

from grafana.pictures import board, expand, values
from server.catalogue.grids import COST_MICRODOLLARS, REQUEST_SECONDS
from stack.stores.protocol import Window

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on PATH")
WINDOW = Window(0, 600)
DURATION, COST = "gen_ai_server_request_duration_seconds", "llm_request_cost_microdollars"
LABELS = 'job="llm-server", instance="i", model="m"'
OPEN = {"model": ".*", "instance": ".*", "outcome": ".*", "slower": "", "dearer": "", "trace": ""}


def histogram(
    name: str, edges: tuple[float, ...], requests: dict[float, int], labels: str = LABELS
) -> list[dict[str, str]]:
    """Series of so many requests of so many seconds or microdollars, all in the fourth minute."""
    uppers = [*edges, float("inf")]
    inside = [sum(n for at, n in requests.items() if low < at <= high)
              for low, high in zip([0.0, *edges], uppers, strict=True)]  # fmt: skip
    counts = list(accumulate(inside))
    spelled = [*(f'{name}_bucket{{{labels}, le="{edge}"}}' for edge in edges),
               f'{name}_bucket{{{labels}, le="+Inf"}}', f"{name}_count{{{labels}}}"]  # fmt: skip
    values_ = [*counts, counts[-1]]
    return [{"series": s, "values": f"0x3 {n}x6"} for s, n in zip(spelled, values_, strict=True)]


def durations(
    requests: dict[float, int], outcome: str = "ok", model: str = "m"
) -> list[dict[str, str]]:
    labels = f'{LABELS.replace(chr(34) + "m" + chr(34), json.dumps(model))}, outcome="{outcome}"'
    return histogram(DURATION, REQUEST_SECONDS, requests, labels)


def query(name: str, chosen: dict[str, str]) -> str:
    (one,) = (b for b in board.load() if b.uid == "llm-requests")
    (variable,) = (v for v in one.variables if v["name"] == name)
    return expand.fill(values.told(variable), OPEN | expand.macros(WINDOW, 5.0) | chosen)


def assert_told(
    folder: Path,
    series: list[dict[str, str]],
    chosen: dict[str, str],
    told: dict[str, str | int],
) -> None:
    """Ask promtool what each variable is: this `le`, or some edge with so many requests above it.

    Between two edges with as many above them nothing lies, so either begins the same ranking.
    """
    asked = [_asked(query(name, chosen), value) for name, value in told.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": asked}
    path = folder / "edges.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _asked(promql: str, told: str | int) -> dict[str, object]:
    if isinstance(told, int):
        expr, sample = f"sum({promql})", told
        return {
            "expr": expr,
            "eval_time": "10m",
            "exp_samples": [{"labels": "{}", "value": sample}],
        }
    found = [{"labels": f'{{le="{told}"}}', "value": 1}] if told else []
    return {"expr": f"count by (le) ({promql})", "eval_time": "10m", "exp_samples": found}


INCIDENT = durations({0.9: 10_000}) + durations({600.05: 10_000, 1500.0: 3}, "timeout")
CASES: dict[str, tuple[list[dict[str, str]], dict[str, str], str | int, str | int]] = {
    "ten thousand timeouts just above the deadline": (INCIDENT, {}, 10_003, 3),
    "only what did not time out": (INCIDENT, {"outcome": "ok"}, 10_000, 0),
    "a crowd and few behind it": (durations({0.1: 500, 0.6: 3, 0.9: 9}), {}, 12, 9),
    "exactly ten behind an edge": (durations({0.1: 500, 0.9: 10}), {}, 10, 0),
    "too few requests for a ranking": (durations({0.3: 4}), {}, "0", 4),
    "more than ten beyond the last edge": (durations({5000.0: 40}), {}, 40, "1e9"),
    "another model": (durations({0.9: 50}) + durations({42.5: 50}, model="x"),
                      {"model": "m"}, 50, 0),
    "typed by a reader": (INCIDENT, {"slower": "0.5"}, "0.5", 3),
    "no histogram at all": ([], {}, "0", "1e9"),
}  # fmt: skip


@needs_promtool
@pytest.mark.parametrize(("series", "chosen", "edge", "beyond"), CASES.values(), ids=CASES)
def test_an_edge_has_enough_requests_above_it_and_the_next_too_few(
    tmp_path: Path,
    series: list[dict[str, str]],
    chosen: dict[str, str],
    edge: str | int,
    beyond: str | int,
) -> None:
    assert_told(tmp_path, series, chosen, {"slow_edge": edge, "slow_next_edge": beyond})


@needs_promtool
def test_a_cost_has_edges_of_its_own(tmp_path: Path) -> None:
    series = histogram(COST, COST_MICRODOLLARS, {30.0: 5000, 7e6: 12, 3e7: 2})
    assert_told(tmp_path, series, {}, {"dear_edge": 14, "dear_next_edge": 2})
    assert_told(tmp_path, series, {"dearer": "7"}, {"dear_edge": "7"})


@needs_promtool
def test_a_text_stands_for_a_trace_that_is_not_chosen(tmp_path: Path) -> None:
    nothing = "{resource.service.name=`none`}"
    assert_told(tmp_path, [], {}, {"no_trace": nothing})
    assert_told(tmp_path, [], {"trace": "0af7651916cd43dd8448eb211c80319c"}, {"no_trace": ""})

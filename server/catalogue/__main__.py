"""Write what the catalogue says of itself, or with `--check` fail when a file is stale."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from server.catalogue import (
    ALL,
    MADE,
    Metric,
    burn_rates,
    ceilings,
    conventions,
    error_budgets,
    numbers,
    semconv_aliases,
    slo,
    vllm_left_out,
)
from server.catalogue.grids import worst_ratio
from server.catalogue.picture import svg

REPO = Path(__file__).parents[2]
HEAD = """# Metrics

Generated from `server/catalogue/` by `python -m server.catalogue`; do not edit. Every name that a
rule, an alert or a board uses stands here, and `make check` fails where one does not. A histogram
is read by its `_bucket`, `_sum` and `_count`. `job` and `instance` stand on every series beside the
labels named. Grids: [docs/quantiles.md](quantiles.md). Thresholds: `prometheus/slo.yaml`.
Who reads each, and the recorded names: [numbers.md](numbers.md).
"""
COLUMNS = ("metric", "kind", "unit", "labels", "for", "meaning")


def page() -> str:
    """The whole page."""
    return (
        "\n".join([HEAD, *_parts(), *vllm_left_out.page(), *conventions.differences(), *_grids()])
        + "\n"
    )


def _parts() -> Iterator[str]:
    yield from _part("Made by the server", MADE)
    for source in dict.fromkeys(metric.source for metric in ALL):
        read = [metric for metric in ALL if metric.source == source and metric not in MADE]
        yield from _part(f"Read from {_title(source)}", read)


def _title(source: str) -> str:
    return {"llm-server": "vLLM 0.32.0, on the server's own /metrics"}.get(source, source)


def _part(title: str, metrics: Iterable[Metric]) -> Iterator[str]:
    yield f"## {title}\n"
    yield _row(*COLUMNS)
    yield _row(*("---" for _ in COLUMNS))
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        name = f"`{metric.name}`"
        yield _row(name, metric.kind, metric.unit, labels, metric.method, _meaning(metric))
    yield ""


def _meaning(metric: Metric) -> str:
    absent = f" Absent where {metric.absent}." if metric.absent else ""
    unused = f" Used by nothing here: {metric.unused}." if metric.unused else ""
    return f"{metric.help}{absent}{unused}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _grids() -> Iterator[str]:
    yield "## Grids\n"
    yield _row("histogram", "edges", "worst ratio of neighbours", "upper edges")
    yield _row("---", "---", "---", "---")
    for metric in ALL:
        if metric.buckets:
            edges = ", ".join(f"{edge:g}" for edge in metric.buckets)
            ratio = f"{worst_ratio(metric.buckets):.2f}"
            yield _row(f"`{metric.name}`", str(len(metric.buckets)), ratio, edges)


def generated() -> dict[Path, str]:
    """What each generated file should hold."""
    thresholds = {threshold.name: threshold for threshold in slo.read()}
    return {
        REPO / "docs/metrics.md": page(),
        REPO / "docs/numbers.md": numbers.page(REPO),
        REPO / "docs/conventions.md": conventions.page(),
        REPO / "docs/images/quantiles.svg": svg(),
        REPO / "prometheus/alerts/red.yaml": ceilings.alerts(),
        REPO / "prometheus/alerts/slo.yaml": burn_rates.alerts(thresholds, slo.burns()),
        REPO / "prometheus/rules/slo.yaml": error_budgets.rules(thresholds),
        REPO / "prometheus/optional/genai-semconv.yaml": semconv_aliases.rules(),
    }


def main() -> int:
    """Return 0, or 1 when `--check` finds a file stale."""
    parser = argparse.ArgumentParser(prog="python -m server.catalogue", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check, stale = parser.parse_args().check, False
    for path, text in generated().items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale = True
        if check:
            name = path.relative_to(REPO)
            print(f"{name} is stale: run `python -m server.catalogue`", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

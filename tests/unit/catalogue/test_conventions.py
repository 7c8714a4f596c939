"""The table of ours beside OpenTelemetry's convention says what the server really records."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.catalogue import BY_SERIES, MADE, conventions
from server.catalogue.conventions import LABELS, METRICS, SPAN, Row
from server.catalogue.grids import REQUEST_SECONDS, TOKEN_SECONDS

STORED: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "names.yaml").read_text())
ON_SPANS: dict[str, str] = STORED["server_span"]
OF_CONVENTIONS = re.compile(r"(gen_ai|http|url|server|client|error|network|user_agent)[.].*")
DOCS = Path(__file__).parents[3] / "docs"


def test_each_attribute_with_a_name_of_the_convention_has_a_row() -> None:
    found = {name for name in ON_SPANS if OF_CONVENTIONS.fullmatch(name)}
    assert found == {row.ours for row in SPAN if row.ours}


@pytest.mark.parametrize("row", [row for row in SPAN if row.ours], ids=lambda row: row.name)
def test_an_attribute_has_the_conventions_name_and_type(row: Row) -> None:
    assert row.ours == row.name
    assert ON_SPANS[row.ours] == row.kind


@pytest.mark.parametrize("rows", [SPAN, METRICS, LABELS])
def test_what_we_do_not_record_says_why(rows: tuple[Row, ...]) -> None:
    assert [row.name for row in rows if not row.ours and not row.note] == []
    assert len({row.name for row in rows}) == len(rows)
    levels = {"required", "C", "recommended", "opt-in"}
    assert {row.level for row in rows} <= levels


def test_each_metric_with_a_name_of_the_convention_has_a_row_and_a_reason() -> None:
    assert {row.ours for row in METRICS} == {m.name for m in MADE if m.name.startswith("gen_ai")}
    for row in METRICS:
        assert row.ours == f"{row.name.replace('.', '_')}_seconds"
        assert row.note


def test_each_label_in_the_table_stands_on_a_metric() -> None:
    metrics = [BY_SERIES[f"{row.ours}_count"] for row in METRICS]
    on_ours = {label for metric in metrics for label in metric.labels}
    on_requests = set(BY_SERIES["llm_requests_total"].labels) - {"reason"}
    assert on_ours <= on_requests == {row.ours for row in LABELS if row.ours}


def test_the_pages_say_where_our_histograms_end() -> None:
    text = (DOCS / "metrics.md").read_text()
    assert f"{REQUEST_SECONDS[-1]:g} s and {TOKEN_SECONDS[-1]:g} s" in text
    assert (DOCS / "conventions.md").read_text() == conventions.page()

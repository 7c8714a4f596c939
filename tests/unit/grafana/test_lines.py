"""Lines and numbers as Grafana draws them: limits, legends, colors, axes; kinds of fault mended."""

import re
from collections.abc import Iterator

import pytest

from grafana.dashboards import colors, panels
from grafana.dashboards.limits import Limits
from grafana.dashboards.lines import LIMIT
from grafana.dashboards.queries import Dots, Logs, Query
from grafana.pictures import chart, labels
from grafana.pictures.board import Json, Panel
from grafana.pictures.canvas import COLORS
from grafana.pictures.frames import Series
from server.record import request, waste
from tests.unit.grafana.test_boards import BOARDS, PANELS, named

LINES = [panel for _, panel in PANELS if panel.kind == "timeseries"]
NUMBERS = [panel for _, panel in PANELS if panel.kind == "stat"]
BRIGHT = ("green", "red", "text", "white")


def built(panel: panels.Panel) -> Panel:
    import json

    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    return Panel(json.loads(json.dumps(panel.build(), cls=JSONEncoder)))


def drawn(*queries: Query | Dots | Logs, **more: object) -> Panel:
    return built(panels.series("t", "d.", "s", queries, **more))  # type: ignore[arg-type]


def custom(panel: Panel) -> Json:
    return dict(panel.defaults.get("custom", {}))


def is_logarithmic(panel: Panel) -> bool:
    return bool(custom(panel).get("scaleDistribution", {}).get("type") == "log")


def limits(panel: Panel) -> list[Json]:
    return [target for target in panel.targets if target["refId"] == LIMIT]


def test_a_limit_on_a_logarithmic_axis_is_a_line_of_its_own() -> None:
    panel = drawn(Query("up", "up"), limits=Limits(4), logarithmic=True)
    (line,) = limits(panel)
    assert (line["expr"], line["legendFormat"]) == ("vector(4) and on () (up)", "limit")
    assert "thresholdsStyle" not in custom(panel) and "axisSoftMax" not in custom(panel)
    looks = panel.field("limit")
    assert looks["color"] == {"mode": "fixed", "fixedColor": "red"}
    assert looks["custom.lineStyle"]["fill"] == "dash"
    assert looks["custom.hideFrom"] == {"legend": True, "tooltip": True, "viz": False}


def test_a_limit_on_a_linear_axis_is_a_threshold_in_sight() -> None:
    panel = drawn(Query("up", "up"), limits=Limits(4))
    assert not limits(panel)
    assert custom(panel)["thresholdsStyle"] == {"mode": "dashed"}
    assert custom(panel)["axisSoftMax"] == 4


def test_a_limit_stands_over_the_whole_range_that_has_any_request_and_in_no_other() -> None:
    dots = Dots("a_seconds", 'job="j"')
    (line,) = limits(drawn(dots, Query("up", "up"), limits=Limits(4), logarithmic=True))
    seen = 'sum(increase(a_seconds_count{job="j"}[$__range] @ end())) > 0'
    assert line["expr"] == f"vector(4) and on () ({seen})"
    mixed = drawn(Logs("tenant_p95", "{}"), limits=Limits(4), logarithmic=True)
    assert limits(mixed)[0]["datasource"]["uid"] == "prometheus"
    assert mixed.raw["datasource"]["uid"] == "-- Mixed --"


def test_no_board_has_a_threshold_that_a_logarithmic_axis_hides() -> None:
    for panel in LINES:
        if is_logarithmic(panel):
            assert "thresholdsStyle" not in custom(panel), panel.title
    assert sum(bool(limits(panel)) for panel in LINES) == 10


def test_a_picture_draws_the_limit_and_does_not_name_it() -> None:
    panel = drawn(Query("up", "up"), limits=Limits(4), logarithmic=True)
    series = Series("limit", {}, [(0.0, 4.0), (15.0, 4.0)], 4.0)
    assert chart._color(panel, series, 1) == COLORS["red"]
    assert chart._dashes(panel, series) == "--"
    assert labels.hidden(panel, series.name, series.asked)


def test_a_request_without_another_near_it_is_a_point() -> None:
    for panel in LINES:
        is_stacked = custom(panel).get("stacking", {}).get("mode") == "normal"
        assert custom(panel)["showPoints"] == ("never" if is_stacked else "auto"), panel.title


def test_a_legend_is_names_alone() -> None:
    for panel in LINES:
        assert panel.options["legend"]["calcs"] == [], panel.title


def test_no_line_is_asked_for_that_is_only_nan() -> None:
    for panel in LINES:
        for target in panel.targets:
            expr = target.get("expr", "")
            if "histogram_quantile" in expr and target["refId"] != LIMIT:
                assert expr.endswith(" >= 0"), panel.title


def test_a_panel_without_traffic_says_so() -> None:
    for panel in LINES:
        quantiles = [t for t in panel.targets if "histogram_quantile" in t.get("expr", "")]
        if quantiles and panel.title != "Event-loop lag, p99":
            assert panel.defaults["noValue"], panel.title


def test_dots_are_one_query_of_a_panel_before_all_that_read_its_histogram() -> None:
    dotted = [panel for panel in LINES if any(t.get("exemplar") for t in panel.targets)]
    assert len(dotted) == 12
    for panel in dotted:
        first, *others = panel.targets
        assert first["exemplar"] and not any(target["exemplar"] for target in others)
        assert first["intervalFactor"] == 8, "one dot a step hides the lines"
        assert first["expr"].endswith(" < 0"), "dots have no line of their own"


def test_numbers_are_of_now_and_have_no_line_through_them() -> None:
    for panel in NUMBERS:
        assert panel.options["graphMode"] == "none", panel.title
        for target in panel.targets:
            assert target["instant"] and not target["range"], panel.title
            assert target["format"] == "time_series", panel.title


def test_nothing_to_show_is_no_bright_field() -> None:
    for panel in NUMBERS:
        matched = {
            m["options"]["match"]: m["options"]["result"] for m in panel.defaults["mappings"]
        }
        assert set(matched) == {"nan", "null"}, panel.title
        filled = panel.options["colorMode"] == "background"
        wanted = "transparent" if filled else colors.GRAY
        assert {result["color"] for result in matched.values()} == {wanted}, panel.title
        assert matched["null"]["text"] == panel.defaults["noValue"]


def test_known_labels_have_a_color_for_each_value() -> None:
    assert set(colors.WASTE) == set(waste.KINDS)
    assert set(colors.PHASES) == set(request.PHASES)
    assert "green" not in [color for name, color in colors.BILL.items() if name != "requests"]
    assert "green" not in colors.WASTE.values()
    assert colors.OUTCOMES["aborted"] == colors.WASTE["aborted"] != "green"


LABELLED = ("outcome", "part", "waste", "phase", "kind")


@pytest.mark.parametrize("label", LABELLED)
def test_a_known_label_is_painted_wherever_it_is_a_legend(label: str) -> None:
    seen = 0
    for panel in LINES:
        for target in panel.targets:
            legend = str(target.get("legendFormat", ""))
            if legend.endswith(f"{{{{{label}}}}}"):
                seen += 1
                for value, color in colors.LABELS[label].items():
                    name = legend.replace(f"{{{{{label}}}}}", value)
                    assert panel.field(name)["color"]["fixedColor"] == color, panel.title
    assert seen


def test_quantiles_are_shades_of_one_hue_and_the_second_measure_has_another() -> None:
    (panel,) = (p for p in named("llm-cost").panels if p.title == "Cost of one request")
    shades = {
        name: panel.field(f"{name} tiny-llama")["color"]["fixedColor"]
        for name in ("list p50", "list p95", "list p99", "device p50", "device p95", "device p99")
    }
    assert len(set(shades.values())) == 6
    assert all("blue" in color for name, color in shades.items() if name.startswith("list"))
    assert "custom.lineStyle" in panel.field("device p50 tiny-llama")
    (alone,) = (p for p in named("llm-overview").panels if p.title == "Request duration")
    assert alone.field("p95")["color"]["fixedColor"] == shades["list p95"]


def test_a_reason_is_a_shade_of_its_outcome() -> None:
    (panel,) = (p for p in named("llm-red").panels if p.title == "Failures by reason")
    color = panel.field("server_error: engine_error")["color"]
    assert color == {"mode": "shades", "fixedColor": "red"}


def test_no_model_is_green() -> None:
    for panel in LINES:
        legends = {target.get("legendFormat") for target in panel.targets}
        if legends <= {"{{model}}", "{{model_name}}", "{{instance}}"}:
            assert panel.defaults["color"] == {"mode": "shades", "fixedColor": "blue"}


def test_boards_ask_again_when_they_have_been_answered() -> None:
    heavy = {"llm-cost", "llm-bill", "llm-requests"}
    assert {one.uid: one.raw["refresh"] for one in BOARDS} == {
        one.uid: "1m" if one.uid in heavy else "30s" for one in BOARDS
    }


def test_an_axis_of_zeros_does_not_end_at_a_hundred() -> None:
    for panel in LINES:
        bounded = "axisSoftMax" in custom(panel) or "max" in panel.defaults
        assert bounded or is_logarithmic(panel), panel.title


def test_a_heatmap_has_no_more_rows_than_labels_fit_beside() -> None:
    (panel,) = (p for _, p in PANELS if p.kind == "heatmap")
    (edges,) = re.findall(r'le=~"([^"]+)"', panel.targets[0]["expr"])
    rows = {edge.removesuffix(".0") for edge in edges.split("|")}
    assert len(rows) <= 12 and "\\\\+Inf" in rows and "60" in rows, "the limit is an edge"


def titles() -> Iterator[tuple[str, float, float]]:
    for _, panel in PANELS:
        width = panel.grid[2] * (1600 - 32 + 8) / 24 - 8
        # Grafana's title has 14 px letters, the `i` of its description, and its margins.
        yield panel.title, len(panel.title) * 7.8 + 56, width


@pytest.mark.parametrize(("title", "needs", "has"), titles())
def test_a_title_is_not_cut_at_1600_pixels(title: str, needs: float, has: float) -> None:
    assert needs <= has

"""The only importer of `grafana_foundation_sdk`: our few kinds of panel, variable and board."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from grafana_foundation_sdk.builders import common, logs, loki, prometheus, timeseries
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI = DataSourceRef(type_val="loki", uid="loki")

Panel: TypeAlias = timeseries.Panel | logs.Panel


@dataclass(frozen=True)
class Query:
    """One PromQL query; `exemplars` only where it reads a raw `_bucket` series."""

    expr: str
    legend: str
    exemplars: bool = False


def series(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    width: int = 8,
    limit: float | None = None,
    stacked: bool = False,
    top: float | None = None,
) -> timeseries.Panel:
    """Return a time series panel; `limit` (in the panel's unit) draws a red threshold line."""
    panel = _time_series_style(title, description, unit, width)
    for ref_id, query in zip("ABCDEFGH", queries, strict=False):
        panel.with_target(_prometheus_query(ref_id, query))
    if limit is not None:
        _draw_limit(panel, limit)
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(25)
    if top is not None:
        panel.max(top)
    return panel


def log_lines(title: str, description: str, expr: str) -> logs.Panel:
    """Return a full-width panel of the lines that LogQL `expr` finds, newest first."""
    query = loki.Dataquery().ref_id("A").datasource(LOKI).expr(expr).query_type("range")
    return (
        logs.Panel()
        .title(title)
        .description(description)
        .datasource(LOKI)
        .with_target(query.max_lines(200))
        .show_time(True)
        .enable_log_details(True)
        .sort_order(LogsSortOrder.DESCENDING)
        .unit("short")
        .span(24)
        .height(9)
    )


def label_variable(name: str, label: str, query: str) -> board.QueryVariable:
    """Return a multi-value variable of a label's values, `All` unless chosen otherwise."""
    return (
        board.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def alert_annotation() -> board.AnnotationQuery:
    """Return the marks that Alertmanager's records in Loki put on every panel."""
    return (
        board.AnnotationQuery()
        .name("Alerts")
        .datasource(LOKI)
        .enable(True)
        .icon_color("red")
        .expr('{service_name="alertmanager"}')
    )


def dashboard_json(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[board.QueryVariable],
    rows: Sequence[tuple[str, Sequence[Panel]]],
) -> str:
    """Return the board as classic dashboard JSON, which file provisioning reads."""
    builder = _board_style(uid, title, description)
    for variable in variables:
        builder.with_variable(variable)
    # Fixed ids keep a link to one panel alive when the board is written again.
    ids = itertools.count(1)
    for row, panels in rows:
        builder.with_row(board.Row(row).id(next(ids)))
        for panel in panels:
            builder.with_panel(panel.id(next(ids)))
    return json.dumps(builder.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _board_style(uid: str, title: str, description: str) -> board.Dashboard:
    return (
        board.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["llm", "generated"])
        .timezone("browser")
        .time("now-30m", "now")
        .refresh("10s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .annotation(alert_annotation())
        .readonly()
    )


def _time_series_style(title: str, description: str, unit: str, width: int) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .show_points(VisibilityMode.NEVER)
        .fill_opacity(8)
        .legend(legend.placement(LegendPlacement.BOTTOM).show_legend(True))
        .tooltip(tooltip.sort(SortOrder.DESCENDING))
        .span(width)
        .height(8)
    )


def _prometheus_query(ref_id: str, query: Query) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(ref_id).datasource(PROMETHEUS).range()
    return target.expr(query.expr).legend_format(query.legend).exemplar(query.exemplars)


def _draw_limit(panel: timeseries.Panel, limit: float) -> None:
    steps = [Threshold(value=None, color="green"), Threshold(value=limit, color="red")]
    config = board.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
    panel.thresholds(config).thresholds_style(style)

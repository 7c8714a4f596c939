"""Time series: their axis, their colors by meaning, and the limit that they must not cross."""

import string
from collections.abc import Sequence
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import common, timeseries
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.models.common import (
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, FieldColorModeId

from grafana.dashboards import colors
from grafana.dashboards.limits import Limits, thresholds
from grafana.dashboards.measures import DOLLARS, MICRODOLLARS
from grafana.dashboards.queries import (
    LOKI,
    MIXED,
    NO_TRAFFIC,
    PROMETHEUS,
    Asks,
    Dots,
    Logs,
    Query,
    any_seen,
)

Panel: TypeAlias = Any
"""A panel builder of the SDK, whose types are unknown to us."""

_DASH = {"fill": "dash", "dash": [8, 5]}
LIMIT = "limit"
"""The name of the constant query that draws a limit where thresholds do not."""
ENDED = any_seen("llm_requests_total")
FEW = ("{{model}}", "{{model_name}}", "{{instance}}", "GPU {{gpu}}")
"""Legends of which there is one, or a few."""
LEAST_TOP = {
    "reqps": 0.1,
    "ops": 0.1,
    "percentunit": 0.01,
    "s": 0.001,
    DOLLARS: 0.01,
    MICRODOLLARS: 1.0,
    "bytes": 1048576.0,
}
"""How far an axis goes at least, by its unit; Grafana draws nothing but zeros up to 100."""


def ask(panel: Panel, queries: Sequence[Asks]) -> Panel:
    """Give the panel its queries, named A, B, C and so on."""
    for ref_id, query in zip(string.ascii_uppercase, queries, strict=False):
        panel.with_target(query.target(ref_id))
    return panel


def series(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Asks],
    *,
    width: int = 8,
    limits: Limits | None = None,
    stacked: bool = False,
    top: float | None = None,
    logarithmic: bool = False,
    empty: str = NO_TRAFFIC,
    height: int = 8,
    least_top: float | None = None,
    hue: str = "",
) -> Panel:
    """Return a time series panel; `limits` draw a dashed line, `empty` says why it may be so.

    `least_top` is how far the axis goes at least, where the unit's own is too far for small values;
    `hue` is the color whose shades tell apart what has no color of its own.
    """
    panel = timeseries.Panel().title(title).description(description).unit(unit)
    ask(panel.datasource(_source(queries)), queries).span(width).height(height)
    _style(panel)
    legends = [str(getattr(query, "legend", "")) for query in queries]
    _paint(panel, legends, hue)
    _dash(panel, legends)
    if logarithmic:
        _logarithmic(panel, queries, limits)
    else:
        _linear(panel, limits, LEAST_TOP.get(unit, 1.0) if least_top is None else least_top)
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        panel.fill_opacity(60).line_width(0).show_points(VisibilityMode.NEVER)
    panel = panel if top is None else panel.max(top)
    return panel.no_value(empty)


def _source(queries: Sequence[Asks]) -> DataSourceRef:
    return LOKI if isinstance(queries[0], Logs) else PROMETHEUS


def _style(panel: Panel) -> Panel:
    # No calculations beside the names: Grafana writes "Last *:" before each, and stale ones.
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).show_legend(True)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    return (
        # Or a request that has no other near it, which is a point and no line, is not drawn.
        panel.show_points(VisibilityMode.AUTO)
        .line_width(1)
        .fill_opacity(8)
        .legend(legend.placement(LegendPlacement.BOTTOM).calcs([]))
        .tooltip(tooltip)
    )


def _paint(panel: Panel, legends: Sequence[str], hue: str) -> None:
    if all(legend in FEW for legend in legends):
        # A palette begins with green, which would call any model well.
        hue = colors.BLUE
    if hue:
        panel.color_scheme(board.FieldColor().mode(FieldColorModeId.SHADES).fixed_color(hue))
    for paint in dict.fromkeys(paint for legend in legends for paint in colors.paints(legend)):
        override = panel.override_by_regexp if paint.is_pattern else panel.override_by_name
        override(paint.name, [DynamicConfigValue(id_val="color", value=paint.value)])


def _dash(panel: Panel, legends: Sequence[str]) -> None:
    line = DynamicConfigValue(id_val="custom.lineStyle", value=_DASH)
    for beginning in (f"{whose} " for whose in colors.DASHED):
        if any(legend.startswith(beginning) for legend in legends):
            panel.override_by_regexp(f"/^{beginning}/", [line])


def _linear(panel: Panel, limits: Limits | None, least_top: float) -> None:
    # Grafana does not stretch an axis to a threshold: the soft maximum keeps the limit in sight.
    panel.min(0).axis_soft_max(least_top if limits is None else limits.red)
    if limits is not None:
        dashed = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel.thresholds(thresholds(limits)).thresholds_style(dashed)


def _logarithmic(panel: Panel, queries: Sequence[Asks], limits: Limits | None) -> None:
    scale = common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)
    # A fill goes down to the foot of the axis: those of six lines add up and hide the lowest.
    panel.scale_distribution(scale).fill_opacity(0)
    if limits is not None:
        _limit_line(panel, queries, limits)


def _any_number(query: Asks) -> str:
    """PromQL that is there where the query has numbers: over the whole range, if it is told so."""
    if isinstance(query, Logs):
        return ENDED
    return query.any_seen if isinstance(query, Dots) else str(getattr(query, "expr", ""))


def _limit_line(panel: Panel, queries: Sequence[Asks], limits: Limits) -> None:
    # On a logarithmic axis Grafana ignores soft maxima, and with them a threshold out of sight;
    # a line it draws. Only beside numbers, or no panel would say that it has none.
    beside = next(filter(None, map(_any_number, queries)), "")
    where = f" and on () ({beside})" if beside else ""
    panel.with_target(Query(f"vector({limits.red:g}){where}", LIMIT).target(LIMIT))
    if any(isinstance(query, Logs) for query in queries):
        panel.datasource(MIXED)
    hidden = {"legend": True, "tooltip": True, "viz": False}
    looks: dict[str, object] = {
        "color": {"mode": "fixed", "fixedColor": colors.BAD},
        "custom.lineStyle": _DASH,
        "custom.fillOpacity": 0,
        "custom.hideFrom": hidden,
        # In a short range every point of it would have a red dot.
        "custom.showPoints": "never",
        "custom.spanNulls": True,
    }
    panel.override_by_name(
        LIMIT, [DynamicConfigValue(id_val=name, value=value) for name, value in looks.items()]
    )

"""Our few kinds of panel, each with its unit, thresholds and one-sentence description."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from grafana_foundation_sdk.builders import common, heatmap, logs, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    ScaleDistribution,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    SpecialValueMap,
    SpecialValueMatch,
    ValueMap,
    ValueMappingResult,
)

from grafana.dashboards.colors import DEVICE, OUTCOMES, SERVER_SIDE
from grafana.dashboards.limits import Limits, thresholds
from grafana.dashboards.queries import LOKI, PROMETHEUS, TEMPO, Logs, Query, Target, Traces
from grafana.dashboards.tables import HEIGHT, Columns, of_lines, of_samples
from grafana.dashboards.tables import width as column_width

Panel: TypeAlias = Any
"""A panel builder of the SDK, whose types are unknown to us."""


class Asks(Protocol):
    """A query that a panel can hold."""

    def target(self, ref_id: str) -> Target:
        """Return it as Grafana's JSON model."""


def _base(panel: Panel, title: str, description: str, unit: str, source: DataSourceRef) -> Panel:
    panel.title(title).description(description).datasource(source)
    return panel if isinstance(panel, logs.Panel) and not unit else panel.unit(unit)


def _ask(panel: Panel, queries: Sequence[Asks]) -> Panel:
    for ref_id, query in zip("ABCDEFGH", queries, strict=False):
        panel.with_target(query.target(ref_id))
    return panel


def _instead_of_nan(text: str) -> SpecialValueMap:
    result = ValueMappingResult(text=text, color="text")
    nan = board.DashboardSpecialValueMapOptions().match(SpecialValueMatch.NA_N).result(result)
    return SpecialValueMap(nan.build())


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
    empty: str | None = None,
    height: int = 8,
) -> Panel:
    """Return a time series panel; `limits` draw dashed lines, `empty` says why it may be so."""
    source = LOKI if isinstance(queries[0], Logs) else PROMETHEUS
    panel = _ask(_base(timeseries.Panel(), title, description, unit, source), queries)
    _series_style(panel).span(width).height(height)
    legends = [str(getattr(query, "legend", "")) for query in queries]
    for legend in legends:
        _color_outcomes(panel, legend)
    _dash(panel, legends)
    _axis(panel, limits, logarithmic)
    if limits is not None:
        dashed = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel.thresholds(thresholds(limits)).thresholds_style(dashed)
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(
            60
        ).line_width(0)
    panel = panel if top is None else panel.max(top)
    return panel if empty is None else panel.no_value(empty)


def _color_outcomes(panel: Panel, legend: str) -> None:
    if not legend.endswith("{{outcome}}"):
        return
    for outcome, color in OUTCOMES.items():
        name = legend.replace("{{outcome}}", outcome)
        fixed = {"mode": "fixed", "fixedColor": color}
        panel.override_by_name(name, [DynamicConfigValue(id_val="color", value=fixed)])


def _dash(panel: Panel, legends: Sequence[str]) -> None:
    dashed = {"fill": "dash", "dash": [8, 5]}
    line = DynamicConfigValue(id_val="custom.lineStyle", value=dashed)
    for beginning in (f"{DEVICE} ", f"{SERVER_SIDE} "):
        if any(legend.startswith(beginning) for legend in legends):
            panel.override_by_regexp(f"/^{beginning}/", [line])


def _axis(panel: Panel, limits: Limits | None, logarithmic: bool) -> None:
    # Grafana does not stretch an axis to a threshold: the soft maximum keeps the limit in sight.
    if limits is not None:
        panel.axis_soft_max(limits.red)
    if not logarithmic:
        panel.min(0)
        return
    scale = common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)
    panel.scale_distribution(scale)


def _series_style(panel: Panel) -> Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).show_legend(True)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    return (
        panel.show_points(VisibilityMode.NEVER)
        .line_width(1)
        .fill_opacity(8)
        .legend(legend.placement(LegendPlacement.BOTTOM).calcs(["lastNotNull"]))
        .tooltip(tooltip)
    )


def stat(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limits: Limits | None = None,
    width: int = 4,
    height: int = 8,
    nan: str = "no traffic",
    empty: str = "no traffic",
) -> Panel:
    """Return a big number with its course behind it, colored by `limits`; of several, each named.

    `nan` stands for a number that there is none of now, `empty` for one that nothing exposes.
    """
    panel = _ask(_base(stats.Panel(), title, description, unit, PROMETHEUS), queries)
    # Not lastNotNull, which skips NaN: without traffic it would show the last hour's verdict.
    reduce = common.ReduceDataOptions().calcs(["last"])
    color = BigValueColorMode.BACKGROUND if limits else BigValueColorMode.VALUE
    return (
        panel.reduce_options(reduce)
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(color)
        .thresholds(thresholds(limits))
        .mappings([_instead_of_nan(nan)])
        .no_value(empty)
        .span(width)
        .height(height)
    )


def timeline(title: str, description: str, query: Query, *, width: int) -> Panel:
    """Return a band per series, green while it is 1 and red while it is 0."""
    panel = _ask(_base(statetimeline.Panel(), title, description, "none", PROMETHEUS), [query])
    states = {"1": ("up", "green", 0), "0": ("DOWN", "red", 1)}
    options = {
        value: ValueMappingResult(text=text, color=color, index=index)
        for value, (text, color, index) in states.items()
    }
    panel.mappings([ValueMap(options)]).show_value(VisibilityMode.NEVER).row_height(0.8)
    return panel.thresholds(thresholds(Limits(1, falling=True))).span(width).height(8)


def density(title: str, description: str, unit: str, query: Asks, *, width: int) -> Panel:
    """Return a heatmap of a histogram's buckets over time."""
    panel = _ask(_base(heatmap.Panel(), title, description, unit, PROMETHEUS), [query])
    panel.calculate(False).y_axis(heatmap.YAxisConfig().unit(unit))
    return panel.span(width).height(8)


def table(
    title: str,
    description: str,
    queries: Sequence[Asks],
    columns: Columns,
    *,
    sort: str,
    empty: str,
    rows: int = 10,
    width: int = 12,
    height: int = HEIGHT,
    links: Mapping[str, tuple[str, str]] | None = None,
    widths: Mapping[str, int] | None = None,
    limits: Mapping[str, Limits] | None = None,
) -> Panel:
    """Return a table by the heading `sort`, of lines the first `rows`; `links` hold (text, URL)."""
    source = {Logs: LOKI, Traces: TEMPO}.get(type(queries[0]), PROMETHEUS)
    panel = _ask(_base(tables.Panel(), title, description, "none", source), queries)
    by = next(name for name, (heading, _) in columns.items() if heading == sort)
    steps = of_lines(columns, by, rows) if source is LOKI else of_samples(columns, len(queries))
    for name, options in steps:
        panel.with_transformation(DataTransformerConfig(id_val=name, options=options))
    for heading, unit in dict(columns.values()).items():
        setting, pixels = column_width(heading)
        sized = setting, (widths or {}).get(heading, pixels)
        found = (links or {}).get(heading), (limits or {}).get(heading)
        panel.override_by_name(heading, _column(unit, sized, *found))
    order = common.TableSortByFieldState().display_name(sort).desc(True)
    return panel.sort_by([order]).no_value(empty).span(width).height(height)


def _column(
    unit: str, sized: tuple[str, int], link: tuple[str, str] | None, limits: Limits | None
) -> list[DynamicConfigValue]:
    # Without this, each empty cell of a table that has rows would say why a table may have none.
    values: dict[str, object] = {"unit": unit, sized[0]: sized[1], "noValue": ""}
    if link:
        # Tempo hides its column of whole trace ids, by either of these; others are shown already.
        values["custom.hidden"] = False
        values["custom.hideFrom"] = dict.fromkeys(("legend", "tooltip", "viz"), False)
        values["links"] = [{"title": link[0], "url": link[1]}]
    if limits:
        values["thresholds"] = thresholds(limits).build()
        values["custom.cellOptions"] = {"type": "color-text"}
    return [DynamicConfigValue(id_val=name, value=value) for name, value in values.items()]


def log_lines(
    title: str,
    description: str,
    query: Logs,
    *,
    empty: str,
    width: int = 24,
    height: int = 9,
    back: str | None = None,
) -> Panel:
    """Return log lines, newest first; `back` is how far they reach when the range ends now."""
    panel = _ask(_base(logs.Panel(), title, description, "short", LOKI), [query])
    panel.show_time(True).enable_log_details(True).sort_order(LogsSortOrder.DESCENDING)
    panel.wrap_log_message(True).no_value(empty).span(width).height(height)
    return panel if back is None else panel.time_from(back).hide_time_override(True)


def trace(
    title: str, description: str, query: Traces, *, width: int, height: int, empty: str
) -> Panel:
    """Return the waterfall of the one trace whose id the query is."""
    panel = _base(board.Panel().type("traces"), title, description, "ns", TEMPO)
    return _ask(panel, [query]).no_value(empty).span(width).height(height)

"""Our few kinds of panel, each with its unit, thresholds and one-sentence description."""

import string
from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common, heatmap, logs, statetimeline
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    LogsSortOrder,
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

from grafana.dashboards.colors import GRAY
from grafana.dashboards.limits import Limits, thresholds
from grafana.dashboards.lines import Panel, ask, series
from grafana.dashboards.queries import (
    LOKI,
    NO_SERVER,
    NO_TRAFFIC,
    PROMETHEUS,
    TEMPO,
    Asks,
    Logs,
    Query,
    Traces,
)
from grafana.dashboards.tables import HEIGHT, TEXT_UNITS, Columns, of_lines, of_samples
from grafana.dashboards.tables import width as column_width

__all__ = [
    "Asks", "Panel", "density", "log_lines", "series", "stat", "table", "timeline", "trace",
]  # fmt: skip


def _base(panel: Panel, title: str, description: str, unit: str, source: DataSourceRef) -> Panel:
    panel.title(title).description(description).datasource(source)
    return panel if isinstance(panel, logs.Panel) and not unit else panel.unit(unit)


def _instead_of_nothing(nan: str, empty: str) -> list[SpecialValueMap]:
    # Nothing to judge is no verdict: without a mapping it would have the first threshold's green.
    return [
        SpecialValueMap(
            board.DashboardSpecialValueMapOptions()
            .match(match)
            .result(ValueMappingResult(text=text, color=GRAY))
            .build()
        )
        for match, text in ((SpecialValueMatch.NA_N, nan), (SpecialValueMatch.NULL, empty))
    ]


def stat(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limits: Limits | None = None,
    width: int = 4,
    height: int = 8,
    nan: str = NO_TRAFFIC,
    empty: str = NO_SERVER,
) -> Panel:
    """Return a big number, colored by `limits`; of several, each named. Its course is a series'.

    `nan` stands for a number that there is none of now, `empty` for one that nothing exposes.
    """
    panel = _base(stats.Panel(), title, description, unit, PROMETHEUS)
    for ref_id, query in zip(string.ascii_uppercase, queries, strict=False):
        panel.with_target(query.at_end(ref_id))
        if query.unit:
            own = DynamicConfigValue(id_val="unit", value=query.unit)
            panel.override_by_query(ref_id, [own])
    return (
        panel.reduce_options(common.ReduceDataOptions().calcs(["last"]))
        .graph_mode(BigValueGraphMode.NONE)
        # On a colored field Grafana writes white, also where there is nothing to judge.
        .color_mode(BigValueColorMode.VALUE)
        .thresholds(thresholds(limits))
        .mappings(_instead_of_nothing(nan, empty))
        .no_value(empty)
        .span(width)
        .height(height)
    )


def timeline(title: str, description: str, query: Query, *, width: int, empty: str) -> Panel:
    """Return a band per series, green while it is 1 and red while it is 0."""
    panel = ask(_base(statetimeline.Panel(), title, description, "none", PROMETHEUS), [query])
    states = {"1": ("up", "green", 0), "0": ("DOWN", "red", 1)}
    options = {
        value: ValueMappingResult(text=text, color=color, index=index)
        for value, (text, color, index) in states.items()
    }
    panel.mappings([ValueMap(options)]).show_value(VisibilityMode.NEVER).row_height(0.8)
    panel.thresholds(thresholds(Limits(1, falling=True))).no_value(empty)
    return panel.span(width).height(8)


def density(title: str, description: str, unit: str, query: Asks, *, width: int) -> Panel:
    """Return a heatmap of a histogram's buckets over time."""
    panel = ask(_base(heatmap.Panel(), title, description, unit, PROMETHEUS), [query])
    panel.calculate(False).y_axis(heatmap.YAxisConfig().unit(unit))
    return panel.no_value(NO_TRAFFIC).span(width).height(8)


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
    panel = ask(_base(tables.Panel(), title, description, "none", source), queries)
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
    if unit not in TEXT_UNITS:
        # Tempo's attributes are texts, which would stand at the left.
        values["custom.align"] = "right"
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
    panel = ask(_base(logs.Panel(), title, description, "short", LOKI), [query])
    panel.show_time(True).enable_log_details(True).sort_order(LogsSortOrder.DESCENDING)
    panel.wrap_log_message(True).no_value(empty).span(width).height(height)
    return panel if back is None else panel.time_from(back).hide_time_override(True)


def trace(
    title: str, description: str, query: Traces, *, width: int, height: int, empty: str
) -> Panel:
    """Return the waterfall of the one trace whose id the query is."""
    panel = _base(board.Panel().type("traces"), title, description, "ns", TEMPO)
    return ask(panel, [query]).no_value(empty).span(width).height(height)

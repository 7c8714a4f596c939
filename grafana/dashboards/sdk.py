"""Boards, rows, variables and links; the SDK stays behind this and five files beside."""

import itertools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
)

from grafana.dashboards.explained import ALERTLOG, add_links
from grafana.dashboards.panels import Panel
from grafana.dashboards.queries import BEGAN, JOB, LOAD, PROMETHEUS

BOARDS = {
    "llm-overview": "Overview",
    "llm-red": "RED",
    "llm-use": "USE",
    "llm-cost": "Cost",
    "llm-bill": "Device bill",
    "llm-requests": "Request explorer",
    "llm-telemetry": "Telemetry health",
    "llm-loadtest": "Load test",
}
"""Every board's uid and title, in the order of the links at the top of each page."""
NEWEST_ALERTS = ("Why the last alert fired", f"{ALERTLOG}/alerts/newest")
"""The link after those: of an alert that is over, no board tells anything."""

LIGHT, HEAVY = "30s", "1m"
"""How often boards ask again; sooner, Grafana would drop questions that are not answered yet."""
ASK_LOGS_OR_LEDGER = ("llm-cost", "llm-bill", "llm-requests")

Variable: TypeAlias = board.QueryVariable | board.CustomVariable | board.TextBoxVariable


class Row(NamedTuple):
    """A heading and its panels; `collapsed` shows, and asks for, nothing of it until a click."""

    heading: str
    panels: Sequence[Panel]
    collapsed: bool = False


Rows: TypeAlias = Sequence[Row | tuple[str, Sequence[Panel]]]
MODEL = ("model", "Model", f"label_values(llm_requests_in_flight{{{JOB}}}, model)")
TENANT = ("tenant", "Tenant", f"label_values(llm_tenant_requests_total{{{JOB}}}, tenant)")
INSTANCE = (
    "instance",
    "Instance",
    f'label_values(llm_requests_in_flight{{{JOB}, model=~"$model"}}, instance)',
)
EVERY = ("model", "tenant", "instance")
"""What a board lets its reader choose, where each of them changes a panel of it."""


def label_variable(name: str, label: str, query: str, *, hidden: bool) -> board.QueryVariable:
    """Return a multi-value variable of a label's values, `All` unless chosen otherwise."""
    variable = (
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
    return variable.hide(VariableHide.HIDE_VARIABLE) if hidden else variable


def told_variable(name: str, expr: str, first: str = "") -> board.QueryVariable:
    """Return a hidden variable that is the label `le` of the PromQL's sample, of each range anew.

    One option at most, so Grafana never keeps an older value; `first` holds until it is told.
    """
    return (
        board.QueryVariable(name)
        .datasource(PROMETHEUS)
        .query(f"query_result({expr})")
        .regex('/le="([^"]+)"/')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .current(VariableOption(selected=True, text=first, value=first))
        .hide(VariableHide.HIDE_VARIABLE)
    )


def run_variable() -> board.QueryVariable:
    """Return the choice among the load tests of the range; the newest unless chosen otherwise."""
    seen = f"max_over_time(timestamp(loadtest_run_info{{{LOAD}}})[$__range:15s])"
    return (
        board.QueryVariable("run")
        .label("Run")
        .datasource(PROMETHEUS)
        .query(f"query_result(sort_desc(max by (instance) ({seen})))")
        .regex('/instance="([^"]+)"/')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .current(VariableOption(selected=True, text="", value=""))
    )


def several_variable(name: str, label: str, values: Sequence[str]) -> board.CustomVariable:
    """Return a multi-value variable with fixed values, `All` unless chosen otherwise."""
    every = VariableOption(selected=True, text=["All"], value=["$__all"])
    variable = board.CustomVariable(name).label(label).values(",".join(values))
    return variable.multi(True).include_all(True).all_value(".*").current(every)


def text_variable(name: str, label: str) -> board.TextBoxVariable:
    """Return a text box, empty until a link or a person fills it."""
    empty = VariableOption(selected=True, text="", value="")
    return board.TextBoxVariable(name).label(label).default_value("").current(empty)


def common_variables(used: Sequence[str]) -> list[board.QueryVariable]:
    """Return model, tenant and instance; those not in `used` are hidden, kept for the links."""
    return [
        label_variable(*variable, hidden=variable[0] not in used)
        for variable in (MODEL, TENANT, INSTANCE)
    ]


def _links() -> list[board.DashboardLink]:
    return [
        board.DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid}")
        .icon("dashboard")
        .keep_time(True)
        .include_vars(True)
        for uid, title in BOARDS.items()
    ]


def _alerts_link() -> board.DashboardLink:
    title, url = NEWEST_ALERTS
    link = board.DashboardLink(title).type(DashboardLinkType.LINK).url(url).icon("external link")
    return link.target_blank(True)


def _annotation(name: str, color: str, expr: str, title: str) -> board.AnnotationQuery:
    return (
        board.AnnotationQuery()
        .name(name)
        .datasource(PROMETHEUS)
        .enable(True)
        .icon_color(color)
        .expr(expr)
        .step("15s")
        .title_format(title)
    )


def annotations() -> list[board.AnnotationQuery]:
    """Return what is marked on every panel: firing alerts, starts of the server, load tests.

    Grafana draws a stretch of samples from its start to its end, so a run's end is marked too.
    """
    started = 'process_start_time_seconds{job="llm-server", instance=~"$instance"} * 1000'
    run = f"max by (instance, shape, seed) (loadtest_run_info{{{LOAD}}}) == 1"
    phases = f"max by (instance, phase) (loadtest_stage{{{LOAD}}}) >= 0"
    stages = f'count_values by (instance, phase) ("stage", {phases})'
    return [
        _annotation("Alerts", "red", BEGAN, "{{alertname}}").tag_keys("severity,job,model"),
        _annotation("Deploys", "blue", started, "{{instance}} started").use_value_for_time(True),
        _annotation("Load tests", "purple", run, "load test {{instance}}").tag_keys("shape,seed"),
        _annotation("Load stages", "purple", stages, "stage {{stage}}, {{phase}}"),
    ]


def dashboard_json(
    *,
    uid: str,
    description: str,
    uses: Sequence[str] = EVERY,
    rows: Rows,
    more: Sequence[Variable] = (),
) -> str:
    """Return a classic dashboard's JSON; the rows are headings, which the panels flow under."""
    builder = _board_style(uid, description)
    for variable in [*common_variables(uses), *more]:
        builder.with_variable(variable)
    for link in [*_links(), _alerts_link()]:
        builder.link(link)
    for annotation in annotations():
        builder.annotation(annotation)
    _lay_out(builder, rows)
    built = json.loads(json.dumps(builder.build(), cls=JSONEncoder))
    _mend(built)
    _fold(built)
    return json.dumps(built, indent=2, sort_keys=True) + "\n"


def _mend(built: dict[str, Any]) -> None:
    add_links(built["panels"])
    # The SDK's only placement is a closed menu; without one, links and marks stand on the page.
    for entry in [*built["links"], *built["annotations"]["list"]]:
        del entry["placement"]
    # The SDK cannot say that a variable stays out of links, which would freeze it at its value.
    for variable in built["templating"]["list"]:
        told = str(variable.get("query", "")).startswith("query_result(")
        variable["skipUrlSync"] = told and variable.get("hide") == VariableHide.HIDE_VARIABLE.value


def _lay_out(builder: board.Dashboard, rows: Rows) -> None:
    ids = itertools.count(1)
    for row in (Row(*each) for each in rows):
        head = board.Row(row.heading).id(next(ids)).collapsed(row.collapsed)
        panels = [panel.id(next(ids)) for panel in row.panels]
        for panel in panels if row.collapsed else []:
            head.with_panel(panel)
        builder.with_row(head)
        for panel in [] if row.collapsed else panels:
            builder.with_panel(panel)


def _fold(built: dict[str, Any]) -> None:
    # The SDK leaves room for the panels of a collapsed row; Grafana saves what follows below it.
    up = 0
    for entry in built["panels"]:
        inside = entry.get("panels") or []
        for each in [entry, *inside]:
            each["gridPos"]["y"] = each["gridPos"].get("y", 0) - up
        ends = [each["gridPos"]["y"] + each["gridPos"]["h"] for each in inside]
        up += max(ends, default=entry["gridPos"]["y"] + 1) - entry["gridPos"]["y"] - 1


def _board_style(uid: str, description: str) -> board.Dashboard:
    return (
        board.Dashboard(f"LLM serving: {BOARDS[uid]}")
        .uid(uid)
        .description(description)
        .tags(["llm", "generated"])
        .timezone("browser")
        .time("now-30m", "now")
        .refresh(HEAVY if uid in ASK_LOGS_OR_LEDGER else LIGHT)
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )

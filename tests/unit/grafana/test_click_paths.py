"""Every link of every board opens, and the click paths of docs/boards.md lead where it says."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from alertmanager.alertlog import build
from alertmanager.routes import Desk
from grafana.dashboards.explained import ALERTLOG
from grafana.pictures import board, explains
from grafana.pictures.board import Panel
from tests.unit.alert_desk import settings
from tests.unit.html_page import Page

REPO = Path(__file__).parents[3]
BOARDS = {one.uid: one for one in board.load()}
PANELS = [(one, panel) for one in BOARDS.values() for panel in one.panels]
FILLED = {
    "${__value.raw}": "EngineStalled",
    "${__data.fields.Alert}": "EngineStalled",
    # An alert of a server has no others.
    **{
        f"${{__data.fields.{heading}}}": ""
        for heading in ("Model", "Objective", "Window", "Part", "Instance", "Tenant")
    },
}
SECTION = (REPO / "docs/boards.md").read_text().split("## Click paths")[1].split("\n## ")[0]
ELSEWHERE = {f"{ALERTLOG}/alerts/newest"}


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    server = build(settings(), port=0)
    yield server.desk
    server.server_close()


def named(uid: str, title: str) -> Panel:
    (found,) = (panel for panel in BOARDS[uid].panels if panel.title == title)
    return found


def links_of(uid: str) -> dict[str, str]:
    """The links at the top of a board, by title."""
    return {link["title"]: link.get("url") or "" for link in BOARDS[uid].raw["links"]}


def column(panel: Panel, heading: str) -> str:
    """Where a click on a cell of the column leads."""
    (link,) = panel.field(heading)["links"]
    return str(link["url"])


def of_alertlog() -> list[str]:
    """Every address of alertlog that a board names, with an alert's name filled in."""
    found = {url for _, panel in PANELS for url in panel.links() if url.startswith(ALERTLOG)}
    found |= {url for url in links_of("llm-red").values() if url.startswith(ALERTLOG)}
    return sorted(re.sub(r"\$\{__[\w.]+\}", lambda match: FILLED[match[0]], url) for url in found)


@cache
def ids(desk: Desk, path: str) -> frozenset[str]:
    answer = desk.get(path)
    assert answer.status == 200, path
    return frozenset(Page(answer.text).ids)


@pytest.mark.parametrize("url", of_alertlog())
def test_a_link_to_alertlog_opens_at_its_place(desk: Desk, url: str) -> None:
    parts = urlsplit(url)
    answer = desk.get(parts.path)
    if answer.status == 302:
        parts = urlsplit(answer.location)
    opened = ids(desk, parts.path)
    assert url in ELSEWHERE or parts.fragment in opened, "it opens at the top of a long page"


def test_boards_name_more_than_a_hundred_numbers() -> None:
    assert sum("/numbers/" in url for url in of_alertlog()) > 100


@pytest.mark.parametrize("panel", [panel for _, panel in PANELS], ids=lambda panel: panel.title)
def test_a_panel_says_how_its_number_is_made(panel: Panel) -> None:
    assert list(explains.faults(panel)) == []
    made = [link for link in panel.raw["links"] if link["title"].startswith("How this ")]
    assert bool(made) == bool(panel.targets), "only a panel of words has no number"
    assert all(link["targetBlank"] for link in made)


Spoil = Callable[[dict[str, Any]], Any]
SPOILED: list[tuple[str, str, str, Spoil]] = [
    ("llm-red", "Duration, p50 p95 p99", "no link says how gen_ai", lambda p: p.pop("links")),
    ("llm-red", "Duration, p50 p95 p99", "says how up is", lambda p: _ask(p, "up")),
    ("llm-overview", "Burn rate over an hour", "how model_objective:", lambda p: p.pop("links")),
    ("llm-requests", "Last requests", "how its number is made", lambda p: p.update(links=[])),
    ("llm-requests", "Slowest requests", "no cost of theirs", lambda p: _unlink(p)),
]


def _ask(raw: dict[str, Any], query: str) -> None:
    raw["targets"].append({**raw["targets"][0], "expr": query})


def _unlink(raw: dict[str, Any]) -> None:
    for override in raw["fieldConfig"]["overrides"]:
        override["properties"] = [one for one in override["properties"] if one["id"] != "links"]


@pytest.mark.parametrize(("uid", "title", "fault", "spoil"), SPOILED)
def test_lint_names_a_panel_that_explains_nothing(
    uid: str, title: str, fault: str, spoil: Spoil
) -> None:
    raw = copy.deepcopy(named(uid, title).raw)
    spoil(raw)
    assert any(fault in found for found in explains.faults(Panel(raw)))


def test_a_panel_in_a_collapsed_row_has_its_links_too() -> None:
    from grafana.dashboards.explained import add_links

    source = {"uid": "prometheus"}
    inner = {"type": "stat", "datasource": source, "targets": [{"datasource": source}]}
    inner["targets"][0]["expr"] = "sum(up)"  # type: ignore[index]
    add_links([{"type": "row", "panels": [inner]}])
    assert list(explains.faults(Panel(inner))) == []


def leads_to(url: str, uid: str, *variables: str) -> dict[str, list[str]]:
    """The query of a link to a board, which has each of the variables that the link sets."""
    parts = urlsplit(url)
    assert parts.path == f"/d/{uid}"
    there = {f"var-{variable['name']}" for variable in BOARDS[uid].variables}
    assert {f"var-{name}" for name in variables} <= there & set(parse_qs(parts.query))
    return parse_qs(parts.query)


def test_from_overview_to_the_phases_of_the_slowest_request() -> None:
    (boards,) = (link for link in BOARDS["llm-overview"].raw["links"] if link["tags"])
    assert boards["title"] == "Boards" and set(boards["tags"]) <= set(
        BOARDS["llm-requests"].raw["tags"]
    )
    menu = {
        link["title"]: link["url"]
        for link in named("llm-overview", "Request duration").raw["links"]
    }
    query = urlsplit(menu["The slowest requests, and where their time went"])
    assert query.path == "/d/llm-requests" and "${__url_time_range}" in query.query
    slowest = named("llm-requests", "Slowest requests")
    assert slowest.options["sortBy"] == [{"desc": True, "displayName": "Duration"}]
    chosen = leads_to(column(slowest, "Trace"), "llm-requests", "trace")
    assert chosen["var-trace"] == ["${__value.raw}"]
    (shown,) = named("llm-requests", "Trace of the chosen request").targets
    assert shown["query"].startswith("${trace}")


@pytest.mark.parametrize("title", ["Slowest requests", "Dearest requests", "Failed requests"])
def test_from_a_request_to_what_its_tenant_costs_today(title: str) -> None:
    query = leads_to(column(named("llm-requests", title), "Tenant"), "llm-cost", "tenant")
    assert query["var-tenant"] == ["${__value.raw}"]
    # From 0:00 UTC, as the server's own books count, wherever the browser is.
    assert (query["from"], query["to"], query["timezone"]) == (["now/d"], ["now"], ["utc"])
    tenants = named("llm-cost", "Most expensive tenants")
    listed = tenants.targets[0]["expr"]
    assert 'tenant=~"$tenant"' in listed and "llm_tenant_cost_microdollars_total" in listed
    assert "[$__range]" in listed


def test_from_overview_to_the_reason_of_the_last_alert(desk: Desk) -> None:
    top = links_of("llm-overview")["Why the last alert fired"]
    assert desk.get(urlsplit(top).path).status == 200
    firing = named("llm-overview", "Firing alerts")
    for heading, begins in (("Alert", "/runbooks/alert/"), ("Since", "/alerts/newest/")):
        assert urlsplit(column(firing, heading)).path.startswith(begins)


def test_the_page_names_what_is_on_the_boards() -> None:
    shown = {panel.title for _, panel in PANELS} | set(links_of("llm-overview"))
    shown |= {link["title"].partition(":")[0] for _, panel in PANELS for link in panel.raw["links"]}
    text = json.dumps([one.raw for one in BOARDS.values()])
    for name in re.findall(r"`([A-Z][^`]+)`", SECTION):
        assert name in shown or f'"{name}"' in text, name

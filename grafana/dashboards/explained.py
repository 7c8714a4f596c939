"""Links that a panel gets from what it asks and shows: how its number is made, and where to go on.

Made here, from the finished JSON, so that a new panel has them too; `make check` refuses one
without (grafana/pictures/explains.py).
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from server.catalogue.used_by import read_names

Json: TypeAlias = dict[str, Any]
Link: TypeAlias = dict[str, object]

ALERTLOG = "http://127.0.0.1:9095"
"""Where explanations and runbooks are pages that a browser opens, with Grafana or without."""
OF_STORE = {
    "loki": ("log record", f"{ALERTLOG}/docs/logs#request_finished"),
    "tempo": ("trace", f"{ALERTLOG}/docs/architecture#the-way-of-one-request"),
}
"""What a panel of each store shows one by one, and the page that says how it is made."""
SLOWEST = "/d/llm-requests?${__url_time_range}&${model:queryparam}&${instance:queryparam}"
_LATENCIES = {
    "gen_ai_server_request_duration_seconds",
    "gen_ai_server_time_to_first_token_seconds",
    "llm_request_phase_seconds",
}
TENANT_TODAY = (
    "What this tenant costs today",
    "/d/llm-cost?from=now%2Fd&to=now&timezone=utc&var-tenant=${__value.raw}",
)
"""The cost board from 0:00 UTC, as the books count, of the tenant of one row."""


def add_links(panels: Iterable[Json]) -> None:
    """Put the links on every panel, those in a collapsed row included."""
    for panel in panels:
        if panel["type"] == "row":
            add_links(panel.get("panels") or ())
        else:
            panel["links"] = [*panel.get("links", []), *_links(panel)]
            _link_tenants(panel)


def _links(panel: Json) -> Iterator[Link]:
    names = dict.fromkeys(
        name
        for target in panel.get("targets", ())
        if target["datasource"]["uid"] == "prometheus"
        for name in read_names(target["expr"])
    )
    if not _LATENCIES.isdisjoint(names):
        yield _link("The slowest requests, and where their time went", SLOWEST)
    for name in names:
        yield _link(f"How this number is made: {name}", f"{ALERTLOG}/numbers/{name}")
    for store, (what, page) in OF_STORE.items():
        if panel["datasource"]["uid"] == store:
            yield _link(f"How this {what} is made", page)


def _link(title: str, url: str) -> Link:
    # A page of alertlog beside the board: who reads it wants the number still in sight.
    return {"title": title, "url": url, "targetBlank": url.startswith(ALERTLOG)}


def _link_tenants(panel: Json) -> None:
    """Make each tenant of a table a way to what it costs."""
    title, url = TENANT_TODAY
    for override in panel.get("fieldConfig", {}).get("overrides", ()):
        properties = override["properties"]
        if panel["type"] != "table" or override["matcher"]["options"] != "Tenant":
            continue
        if not any(one["id"] == "links" for one in properties):
            properties.append({"id": "links", "value": [{"title": title, "url": url}]})

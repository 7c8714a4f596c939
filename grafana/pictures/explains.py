"""Whether each panel leads to where its number is explained, and each tenant to what it costs."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from grafana.dashboards.explained import ALERTLOG
from grafana.pictures.board import Panel
from server.catalogue.used_by import read_names

NUMBERS = f"{ALERTLOG}/numbers/"
PAGES = f"{ALERTLOG}/docs/"


def faults(panel: Panel) -> Iterator[str]:
    """What the panel asks for and does not explain."""
    to = {str(link["url"]) for link in panel.raw.get("links", [])}
    asked = dict.fromkeys(name for text in _queries(panel) for name in read_names(text))
    yield from (f"no link says how {name} is made" for name in asked if NUMBERS + name not in to)
    # A panel of words asks for no number.
    if panel.targets and not any(url.startswith((NUMBERS, PAGES)) for url in to):
        yield "no link says how its number is made"
    links = panel.field("Tenant").get("links", [])
    if _has_tenants(panel) and not any(urlsplit(e["url"]).path == "/d/llm-cost" for e in links):
        yield "its tenants lead to no cost of theirs"


def _queries(panel: Panel) -> Iterator[str]:
    for target in panel.targets:
        if target.get("datasource", {}).get("uid") == "prometheus":
            yield str(target.get("expr", ""))


def _has_tenants(panel: Panel) -> bool:
    steps = panel.raw.get("transformations", []) if panel.kind == "table" else []
    named = (step.get("options", {}).get("renameByName", {}) for step in steps)
    return any("Tenant" in headings.values() for headings in named)

"""Other applications behind the same stores: no board and no command reads their records."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.stores import loki, tempo, victorialogs

REPO = Path(__file__).resolve().parents[3]
OURS = re.compile(r'\{service_name="(llm-server|alertmanager)[$"]')


def targets(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for each in node:
            yield from targets(each)
    if isinstance(node, dict):
        if isinstance(node.get("datasource"), dict) and "refId" in node:
            yield node
        for each in node.values():
            yield from targets(each)


def asked(uid: str) -> list[str]:
    """Every query of the boards to the data source."""
    found = []
    for path in sorted((REPO / "grafana/dashboards/generated").glob("*.json")):
        for target in targets(json.loads(path.read_text())):
            if target["datasource"]["uid"] == uid:
                found.append(target.get("expr") or target.get("query"))
    return found


@pytest.mark.parametrize("query", sorted(set(asked("loki"))))
def test_lines_are_asked_for_by_their_service(query: str) -> None:
    selectors = re.findall(r"\{\s*service_name[^}]*\}?", query)
    assert selectors and all(OURS.match(each) for each in selectors)


@pytest.mark.parametrize("query", sorted(set(asked("tempo"))))
def test_traces_are_asked_for_by_their_service_or_their_id(query: str) -> None:
    by_service = "resource.service.name = `llm-server`" in query.replace('"', "`")
    assert by_service or query == "${trace}${no_trace}"


def test_the_boards_do_ask() -> None:
    assert len(asked("loki")) > 4 and asked("tempo")


def test_commands_ask_by_service_too() -> None:
    assert loki._SERVER == '{service_name="llm-server"}'
    assert victorialogs._SERVER == '{"service.name"="llm-server"}'
    assert "resource.service.name" in Path(tempo.__file__).read_text()

"""What tests/compose asks of Grafana: each panel's query, with nothing left to fill in."""

import json

import pytest

from grafana.pictures import expand
from stack.stores.protocol import Window
from tests.compose.queries import Query, every
from tests.unit.grafana.test_grafana import data_sources

WINDOW = Window(1_000_000, 1_000_900)
TRACE = "0af7651916cd43dd8448eb211c80319c"
QUERIES = every()


def test_every_board_is_asked() -> None:
    assert len({query.board.uid for query in QUERIES}) == 8
    assert len({str(query) for query in QUERIES}) > 100


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_nothing_is_left_to_fill_in(query: Query) -> None:
    body = query.body(WINDOW, TRACE)
    (sent,) = body["queries"]
    # `$1` of a label_replace is Prometheus's own.
    assert expand.names(json.dumps(body)) == set()
    assert sent["datasource"]["uid"] in data_sources()
    assert sent["intervalMs"] >= 5000 and sent["refId"]
    assert sent.get("expr") or sent.get("query")


def test_a_trace_is_asked_for_by_its_id() -> None:
    (shown,) = (one for one in QUERIES if one.panel.kind == "traces")
    (sent,) = shown.body(WINDOW, TRACE)["queries"]
    assert (sent["queryType"], sent["query"]) == ("traceId", TRACE)
    assert not shown.is_search


def test_a_search_goes_through_the_proxy() -> None:
    for query in (one for one in QUERIES if one.is_search):
        path = query.search(WINDOW, TRACE)
        assert path.startswith("/api/datasources/proxy/uid/tempo/api/search?q=%7B")
        assert "start=1000000&end=1000900" in path and "%24" not in path

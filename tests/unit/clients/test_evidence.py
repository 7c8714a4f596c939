"""Records and spans find the request that they are of."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from clients import evidence
from clients.said import STOPPED
from stack.errors import Fault
from stack.stores.protocol import LogRecord, NotFound, Span, StoreError, Window
from stack.stores.running import Stores
from tests.unit.clients.talked import PHASE, RUN, TRACE, record, said, span


@dataclass
class Store:
    """Both stores; each answers as its script says, its last line again and again."""

    lines: list[list[LogRecord]] = field(default_factory=list)
    trees: list[list[Span]] = field(default_factory=list)
    refusal: str = ""
    name: str = "store"

    def events(self, names: tuple[str, ...], window: Window) -> Iterator[LogRecord]:
        if self.refusal:
            raise StoreError(self.refusal)
        yield from self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]

    def trace(self, trace_id: str) -> list[Span]:
        if self.refusal:
            raise StoreError(self.refusal)
        found = self.trees.pop(0) if len(self.trees) > 1 else self.trees[0]
        if not found:
            raise NotFound(trace_id)
        return found


def _stores(**script: Any) -> Stores:
    store = cast("Any", Store(**script))
    return Stores(store, store)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_the_id_goes_before_the_trace_and_the_trace_helps_where_the_id_is_lost() -> None:
    one, other = said(), said(caller_id=f"{RUN}-litellm-plain-1")
    by_trace = record(caller_request_id=None)
    assert evidence.join([one], [record(), by_trace])[one.caller_id] == [record()]
    assert evidence.join([other], [by_trace])[other.caller_id] == [by_trace]


def test_a_record_without_a_trace_is_no_answer_to_a_client_that_shows_none() -> None:
    blind = said(caller_id="another", headers={})
    assert evidence.join([blind], [record(trace_id=None)])["another"] == []


def test_ids_of_this_run_that_nobody_sent_are_strangers() -> None:
    more = [record(), record(caller_request_id=f"{RUN}-x-1"), record(caller_request_id="others")]
    assert evidence.strangers(RUN, [said()], more) == [f"{RUN}-x-1"]


def test_records_are_waited_for_but_not_those_that_never_arrive() -> None:
    sent = [said(), said(caller_id="stopped", headers={}, want=STOPPED)]
    found = evidence.records(_stores(lines=[[], [record()]]), sent, time.time())
    assert found == [record()]


def test_a_trace_is_read_until_its_phases_are_there() -> None:
    stores = _stores(trees=[[], [span()], [span(), PHASE]])
    found = evidence.left(stores, [said()], [record()])[said().caller_id]
    assert (found.records, found.spans) == ([record()], [span(), PHASE])


def test_a_trace_that_never_gets_whole_is_given_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "PATIENCE_SECONDS", -1.0)
    found = evidence.left(_stores(trees=[[span()]]), [said()], [record()])
    assert found[said().caller_id].spans == [span()]


def test_a_store_that_is_away_is_named() -> None:
    with pytest.raises(Fault, match="refused it"):
        evidence.records(_stores(refusal="refused it"), [said()], 0.0)
    with pytest.raises(Fault, match="refused it"):
        evidence.left(_stores(refusal="refused it"), [said()], [record()])
    assert record().fields["trace_id"] == TRACE

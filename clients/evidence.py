"""Reads what the server left of the run's requests, and waits for what is on its way."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clients.said import Said
from stack.errors import Fault
from stack.stores.protocol import LogRecord, NotFound, Span, StoreError, Window
from stack.stores.running import Stores

PATIENCE_SECONDS = 60.0
_BEFORE_SECONDS = 5.0
_EVENT, _SERVICE = "request_finished", "llm-server"


@dataclass(frozen=True)
class Left:
    """What the stores hold of one request: its records, and the server's spans of its trace."""

    records: Sequence[LogRecord]
    spans: Sequence[Span]


def join(said: Iterable[Said], records: Sequence[LogRecord]) -> Mapping[str, list[LogRecord]]:
    """The records of each request by its own id; by its trace where the id got lost on the way."""
    found: dict[str, list[LogRecord]] = {}
    for each in said:
        own = [one for one in records if one.fields.get("caller_request_id") == each.caller_id]
        trace = [one for one in records if one.fields.get("trace_id") == each.trace_id]
        found[each.caller_id] = own or trace
    return found


def strangers(run: str, said: Sequence[Said], records: Sequence[LogRecord]) -> list[str]:
    """Ids of this run on records that belong to no request of it."""
    known = {each.caller_id for each in said}
    ids = {str(record.fields.get("caller_request_id", "")) for record in records}
    return sorted(each for each in ids - known if each.startswith(f"{run}-"))


def _records(stores: Stores, began: float) -> list[LogRecord]:
    try:
        window = Window(began - _BEFORE_SECONDS, time.time() + 60)
        return list(stores.logs.events((_EVENT,), window))
    except StoreError as error:
        raise Fault(str(error), f"see `make logs PART={stores.logs.name}`") from error


def records(stores: Stores, said: Sequence[Said], began: float) -> list[LogRecord]:
    """Every finished request since the Unix time, once each of the run's that arrives is there."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = _records(stores, began)
        joined = join(said, found)
        due = [each for each in said if each.want.arrives and not joined[each.caller_id]]
        if not due or time.monotonic() > until:
            return found
        time.sleep(1.0)


def left(stores: Stores, said: Sequence[Said], found: Sequence[LogRecord]) -> Mapping[str, Left]:
    """By its own id, what is left of each request."""
    until = time.monotonic() + PATIENCE_SECONDS
    joined = join(said, found)
    return {
        each: Left(own, _spans(stores, str(own[0].fields["trace_id"]), until) if own else ())
        for each, own in joined.items()
    }


def _spans(stores: Stores, trace_id: str, until: float) -> Sequence[Span]:
    """The server's spans of a trace, once its SERVER span and all parents are among them."""
    while True:
        try:
            spans = stores.traces.trace(trace_id)
        except NotFound:
            spans = []
        except StoreError as error:
            raise Fault(str(error), f"see `make logs PART={stores.traces.name}`") from error
        own = [span for span in spans if span.service == _SERVICE]
        # A batch can come before the one that holds the parent, or the children.
        if _is_whole(own) or time.monotonic() > until:
            return own
        time.sleep(0.5)


def _is_whole(spans: Sequence[Span]) -> bool:
    servers = [span for span in spans if span.kind == "server"]
    has_work = any(span.attributes.get("llm.outcome") == "ok" for span in servers)
    needs_children = has_work and any("gen_ai.operation.name" in s.attributes for s in servers)
    return bool(servers) and (len(spans) > len(servers) or not needs_children)

"""Requests as a log store has them, made by the server's own code, for tests of replays."""

import dataclasses
from typing import Any, cast

from loadtest.plan import Plan
from loadtest.replay import make
from loadtest.replay.recorded import Recorded, read
from loadtest.replay.served import Served
from server.record.request import RequestRecord, Usage
from server.signals import logs
from stack.stores.protocol import LogRecord, LogStore
from tests.unit import helpers
from tests.unit.reconciling import Story

BEGAN = 1_795_000_000.0
SERVED = Served({"tiny-llama": 2048}, 16, caches=True)
WANTED = make.Wanted(BEGAN, BEGAN + 3600, "victorialogs", 7, (1000, 3999))


def told(record: RequestRecord) -> LogRecord:
    """The record as a log store has it."""
    fields = logs._doubles(logs.fields(record, None))
    known = {name: value for name, value in fields.items() if value is not None}
    ended = record.started_ns + round((record.duration_seconds or 0) * 1e9) + 2_000_000
    return LogRecord(ended, "request_finished", {"event": "request_finished", **known})


def recorded(at: float = 0.0, tokens: tuple[int, int, int] = (100, 0, 20), **of: Any) -> Recorded:
    """A request that began so many seconds after BEGAN, of tokens (in, cached, out)."""
    plain = helpers.record(
        started_ns=round((BEGAN + at) * 1e9), usage=Usage(*tokens), engine_requests=1
    )
    trace_id = of.pop("trace_id", f"{round(at * 1000) + 1:032x}")
    return read(told(dataclasses.replace(plain, trace_id=trace_id, **of)))


def planned(*every: Recorded, served: Served = SERVED) -> Plan:
    """The plan of these."""
    return make.plan(every, served, WANTED)


def store(story: Story) -> LogStore:
    """Where the records of a story are."""
    return cast("LogStore", story.logs)

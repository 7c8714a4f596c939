"""What panels ask of logs and traces: each by its name, which is its target's refId in the JSON.

Grafana sends the target's LogQL or TraceQL; a picture puts the same question to whichever store
runs, through `stack.stores`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from grafana.pictures import shapes
from grafana.pictures.frames import Data
from grafana.pictures.stores import Stores
from stack.errors import Fault
from stack.stores.protocol import EVERY, Scope, Window

WORST = 10
"""Rows of a ranking, as its panel's transformation `limit` leaves them."""
FAILED = ("client_error", "server_error", "aborted", "timeout")
"""Every outcome but ok."""


@dataclass(frozen=True)
class Asked:
    """What a question is asked with: the board's variables, and of its target the most and step."""

    values: Mapping[str, str]
    window: Window
    most: int
    step: float

    @property
    def scope(self) -> Scope:
        """Which requests the variables choose."""
        names = ("model", "tenant", "instance", "outcome")
        return Scope(**{name: self.values[name] for name in names if name in self.values})

    def above(self, edge: str) -> float:
        """The threshold in a variable; raises Fault for a text that is no number."""
        text = self.values[edge] or "0"
        try:
            return float(text)
        except ValueError as error:
            fix = "type seconds or microdollars, for example 5"
            raise Fault(f"{edge.partition('_')[0]}er than {text} is no number", fix) from error


def _worst(stores: Stores, asked: Asked, data: Data, field: str, edge: str) -> None:
    scope, above = asked.scope, asked.above(edge)
    found = stores.logs.worst_requests(field, above, scope, asked.window, WORST)
    data.rows += shapes.records(found)


def _slowest_requests(stores: Stores, asked: Asked, data: Data) -> None:
    _worst(stores, asked, data, "duration_seconds", "slow_edge")


def _dearest_requests(stores: Stores, asked: Asked, data: Data) -> None:
    _worst(stores, asked, data, "cost_microdollars", "dear_edge")


def _outliers(_stores: Stores, _asked: Asked, _data: Data) -> None:
    """Grafana's second look past a crowded bucket: the first question here is exact already."""


def _failed_requests(stores: Stores, asked: Asked, data: Data) -> None:
    chosen = [outcome for outcome in FAILED if re.fullmatch(asked.scope.outcome, outcome)]
    if chosen:
        scope = replace(asked.scope, outcome="|".join(chosen))
        data.rows += shapes.records(stores.logs.newest_requests(scope, asked.window, asked.most))


def _newest_traces(stores: Stores, asked: Asked, data: Data) -> None:
    above = asked.above("slow_edge")
    found = stores.traces.newest_requests(above, asked.scope, asked.window, asked.most)
    data.rows += shapes.found_traces(found)


def _trace(stores: Stores, asked: Asked, data: Data) -> None:
    if chosen := asked.values["trace"]:
        data.spans += shapes.tree(stores.traces.trace(chosen))


def _trace_records(stores: Stores, asked: Asked, data: Data) -> None:
    if chosen := asked.values["trace"]:
        data.lines += shapes.lines(stores.logs.trace_records(chosen, asked.window))


def _last_requests(stores: Stores, asked: Asked, data: Data) -> None:
    data.lines += shapes.lines(stores.logs.newest_requests(asked.scope, asked.window, asked.most))


def _tenant_p95(stores: Stores, asked: Asked, data: Data) -> None:
    scope, window = asked.scope, asked.window
    found = stores.logs.tenant_quantile("duration_seconds", 0.95, scope, window, asked.step)
    data.series += [
        series for tenant, points in found.items() for series in shapes.points(tenant, points)
    ]


@dataclass(frozen=True)
class Question:
    """How one question is put to the stores, the variable that narrows it, and whether all do."""

    put: Callable[[Stores, Asked, Data], None]
    by: str = ""
    is_scoped: bool = True


QUESTIONS: dict[str, Question] = {
    "slowest_requests": Question(_slowest_requests, "slow_edge"),
    "slowest_outliers": Question(_outliers, is_scoped=False),
    "dearest_requests": Question(_dearest_requests, "dear_edge"),
    "dearest_outliers": Question(_outliers, is_scoped=False),
    "failed_requests": Question(_failed_requests),
    "newest_traces": Question(_newest_traces, "slow_edge"),
    "trace": Question(_trace, "trace", is_scoped=False),
    "trace_records": Question(_trace_records, "trace", is_scoped=False),
    "last_requests": Question(_last_requests),
    "tenant_p95": Question(_tenant_p95),
}
"""The closed set; `make check` refuses a target of Loki or Tempo with another name."""


def words(name: str, asked: Asked) -> str:
    """The question as it stands beside PromQL queries: its name, and what narrows it."""
    question = QUESTIONS[name]
    narrowed = {question.by: asked.values.get(question.by, "")} if question.by else {}
    if question.is_scoped:
        chosen = vars(asked.scope).items()
        narrowed |= {field: text for field, text in chosen if text != getattr(EVERY, field)}
    return " ".join([name, *(f"{key}={text or '(none)'}" for key, text in narrowed.items())])

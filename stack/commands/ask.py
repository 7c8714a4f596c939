"""`make ask`: one request, followed through every signal it leaves."""

import time
from dataclasses import dataclass, field

from stack.errors import Fault
from stack.http import probe
from stack.parts.memo import remembered
from stack.parts.table import GRAFANA
from stack.request import chat, links, show, signals
from stack.request.tree import draw
from stack.say import say, ticking, title
from stack.settings import Settings
from stack.stores.protocol import Fields
from stack.stores.running import Stores, stores

PROMPT = "Why is the sky blue?"
FIND_SECONDS = 60.0
EXEMPLAR_SECONDS = 25.0


@dataclass
class Case:
    """One request under way: the answer, and what of it could not be found."""

    answer: chat.Answer
    model: str
    stores: Stores
    missing: list[str] = field(default_factory=list)
    line: Fields = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds since the request was sent."""
        return time.time() - self.answer.started


def _request(settings: Settings) -> Case:
    model = remembered(settings).get("model") or settings.served_name
    prompt = settings.values.get("PROMPT") or PROMPT
    key = settings.values.get("API_KEY", "")
    title(f"{model} answers")
    writer = show.Writer()
    tokens = int(settings.values.get("MAX_TOKENS") or 64)
    answer = chat.ask(model, prompt, tokens, key, writer.write)
    writer.close()
    say(f"  {show.ending(answer)}")
    return Case(answer, model, stores(settings))


def _trace(case: Case) -> None:
    trace_id, store = case.answer.trace_id, case.stores.traces
    with ticking(f"{store.name}: looking for the trace"):
        spans = signals.poll(lambda: signals.find_trace(store, trace_id), FIND_SECONDS)
    title(f"Trace  {trace_id}" + (f"  found after {case.seconds:.1f} s" if spans else ""))
    for line in draw(spans or []):
        say(f"  {line}")
    if not spans:
        case.missing.append(f"the trace in {_where(store.name)}")


def _where(store: str) -> str:
    return f"{store} (check `make logs PART=otel-collector`, then PART={store})"


def _logs(case: Case) -> None:
    answer, store = case.answer, case.stores.logs
    with ticking(f"{store.name}: looking for the log records"):
        found = signals.poll(
            lambda: signals.find_logs(store, answer.trace_id, answer.started), FIND_SECONDS
        )
    title(f"Logs  {show.count(len(found), 'record')} of this request" if found else "Logs")
    for record in found or []:
        for row in show.log_rows(record):
            say(f"  {row}")
    if not found:
        case.missing.append(f"its log records in {_where(store.name)}")
    case.line = signals.finished(found or []) or {}


def _metric(case: Case) -> None:
    answer = case.answer
    lasted = float(str(case.line.get("duration_seconds") or answer.seconds))
    with ticking("Prometheus: looking for the exemplar"):
        found = signals.poll(
            lambda: signals.find_exemplar(answer.trace_id, case.model, answer.started, lasted),
            EXEMPLAR_SECONDS,
        )
    title("Metric  its exemplar in gen_ai_server_request_duration_seconds")
    if found:
        say(f"  {show.exemplar(found, answer.trace_id)}")
    else:
        case.missing.append("its exemplar in Prometheus (is llm-server up in `make status`?)")


def _cost(case: Case) -> None:
    title("Cost")
    if case.line:
        say(f"  price list   {show.cost(case.line)}")
        say(f"  device time  {show.device_cost(case.line)}")
    else:
        case.missing.append("its cost (it stands in the request_finished line)")


def _links(case: Case) -> None:
    where = "in Grafana" if probe(GRAFANA.probe_url) else "as raw JSON (no Grafana runs)"
    title(f"Open it {where}")
    for name, url in links.links(case.stores, case.answer, case.model).items():
        say(f"  {name:<7} {url}")


def ask(settings: Settings) -> int:
    """Send the request and show each signal; raises Fault naming what could not be found."""
    case = _request(settings)
    if not case.answer.trace_id:
        raise Fault("the answer has no x-trace-id header", "is port 8000 our server? `make status`")
    for part in (_trace, _logs, _metric, _cost, _links):
        part(case)
    say()
    if case.missing:
        raise Fault(f"not found within {FIND_SECONDS:.0f} s: {'; '.join(case.missing)}")
    return 1 if case.answer.error else 0

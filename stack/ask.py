"""`make ask`: one request, followed through every signal it leaves."""

import time
from dataclasses import dataclass, field
from typing import Any

from stack import chat, links, show, signals
from stack.errors import Fault
from stack.http import probe
from stack.parts import GRAFANA
from stack.say import say, ticking, title
from stack.settings import Settings
from stack.tree import draw
from stack.up import remembered

PROMPT = "Why is the sky blue?"
FIND_SECONDS = 60.0
EXEMPLAR_SECONDS = 25.0


@dataclass
class Case:
    """One request under way: the answer, and what of it could not be found."""

    answer: chat.Answer
    model: str
    missing: list[str] = field(default_factory=list)
    line: dict[str, Any] = field(default_factory=dict)

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
    return Case(answer, model)


def _trace(case: Case) -> None:
    trace_id = case.answer.trace_id
    with ticking("Tempo: looking for the trace"):
        spans = signals.poll(lambda: signals.find_trace(trace_id), FIND_SECONDS)
    title(f"Trace  {trace_id}" + (f"  found after {case.seconds:.1f} s" if spans else ""))
    for line in draw(spans or []):
        say(f"  {line}")
    if not spans:
        case.missing.append(
            "the trace in Tempo (check `make logs PART=otel-collector`, then tempo)"
        )


def _logs(case: Case) -> None:
    answer = case.answer
    with ticking("Loki: looking for the log lines"):
        found = signals.poll(
            lambda: signals.find_logs(answer.trace_id, answer.started), FIND_SECONDS
        )
    title(f"Logs  {show.count(len(found), 'line')} of this request" if found else "Logs")
    for line in found or []:
        for row in show.log_rows(line):
            say(f"  {row}")
    if not found:
        case.missing.append("its log lines in Loki (check `make logs PART=otel-collector`)")
    case.line = signals.finished(found or []) or {}


def _metric(case: Case) -> None:
    answer = case.answer
    lasted = float(case.line.get("duration_seconds") or answer.seconds)
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
    for name, url in links.links(case.answer.trace_id, case.model, case.answer.started).items():
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

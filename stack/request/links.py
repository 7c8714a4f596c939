"""Links that open one request in Grafana Explore, or the stores' own URLs where none runs."""

import json
from typing import Any
from urllib.parse import quote

from stack.http import probe
from stack.parts.table import GRAFANA
from stack.request import signals
from stack.request.chat import Answer
from stack.stores import loki
from stack.stores.running import Stores


def _explore(datasource: str, query: dict[str, Any], started: float) -> str:
    """One Explore pane; the time range is five minutes around the request."""
    around = {"from": str(int((started - 120) * 1000)), "to": str(int((started + 180) * 1000))}
    source = {"type": datasource, "uid": datasource}
    full = {"refId": "A", "datasource": source, **query}
    panes = {"a": {"datasource": datasource, "queries": [full], "range": around}}
    encoded = quote(json.dumps(panes, separators=(",", ":")), safe="")
    return f"{GRAFANA.page_url}explore?schemaVersion=1&orgId=1&panes={encoded}"


def _trace(trace_id: str, started: float) -> str:
    return _explore("tempo", {"queryType": "traceql", "query": trace_id}, started)


def _grafana(trace_id: str, model: str, started: float) -> dict[str, str]:
    expression = f'{signals.HISTOGRAM}{{model="{model}"}}'
    logs = {"expr": loki.trace_records(trace_id)}
    exemplars = {"expr": f"sum by (le) (rate({expression}[1m]))", "exemplar": True, "range": True}
    return {
        "trace": _trace(trace_id, started),
        "logs": _explore("loki", logs, started),
        "metric": _explore("prometheus", exemplars, started),
    }


def links(stores: Stores, answer: Answer, model: str) -> dict[str, str]:
    """A link for each of trace, logs and metric."""
    trace_id, started = answer.trace_id, answer.started
    if probe(GRAFANA.probe_url):
        return _grafana(trace_id, model, started)
    return {
        "trace": stores.traces.page(trace_id),
        "logs": stores.logs.page(trace_id, signals.around(started)),
        "metric": signals.exemplars_url(model, started),
    }


def trace(stores: Stores, trace_id: str, started: float) -> str:
    """A link to one trace of about that Unix time."""
    in_grafana = probe(GRAFANA.probe_url)
    return _trace(trace_id, started) if in_grafana else stores.traces.page(trace_id)

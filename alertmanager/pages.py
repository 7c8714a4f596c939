"""Where a browser opens a trace and log records: Grafana where it runs, else the store itself.

The same pages as those of `make ask` (stack/request/links.py), which this image does not hold.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from alertmanager.settings import Settings
from alertmanager.worst import Exemplar

_BEFORE, _AFTER = 120.0, 180.0
"""Seconds around a request: what belongs to it may be stamped just outside of it."""
_ALERTS_LOGQL = '{service_name="alertmanager"}'
_ALERTS_LOGSQL = '{"service.name"="alertmanager"}'


@dataclass(frozen=True)
class Window:
    """A time range in Unix seconds."""

    start: float
    end: float


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _logql(model: str) -> str:
    ours = f' | model="" or model={_quoted(model)}' if model else ""
    bad = 'severity_number >= 13 or (event="request_finished" and outcome!="ok")'
    return f'{{service_name="llm-server"}}{ours} | {bad}'


def _logsql(model: str) -> str:
    ours = f' (model:="" or model:={_quoted(model)})' if model else ""
    bad = 'severity_number:>=13 or (event:=request_finished outcome:!="ok")'
    return f'{{"service.name"="llm-server"}}{ours} ({bad})'


class Pages:
    """Makes addresses out of the settings' own, all of them on loopback; empty is none."""

    def __init__(self, settings: Settings) -> None:
        self._grafana = settings.grafana
        self._stores = settings.stores

    def trace(self, found: Exemplar) -> str:
        """The trace of an exemplar."""
        if self._grafana:
            query = {"queryType": "traceql", "query": found.trace_id}
            around = Window(found.at - found.value - _BEFORE, found.at + _AFTER)
            return self._explore("tempo", query, around)
        if "jaeger" in self._stores:
            return f"{self._stores['jaeger']}/api/v3/traces/{found.trace_id}"
        if "tempo" in self._stores:
            return f"{self._stores['tempo']}/api/traces/{found.trace_id}"
        return ""

    def logs(self, model: str, window: Window) -> str:
        """The server's warnings, and its requests that did not end well; every model's if empty."""
        return self._records(_logql(model), _logsql(model), window)

    def alerts(self, window: Window) -> str:
        """The records of alerts that came and went."""
        return self._records(_ALERTS_LOGQL, _ALERTS_LOGSQL, window)

    def _records(self, logql: str, logsql: str, window: Window) -> str:
        if self._grafana:
            return self._explore("loki", {"expr": logql}, window)
        if "victorialogs" in self._stores:
            return f"{self._stores['victorialogs']}/select/vmui/#/?{_vmui(logsql, window)}"
        if "loki" in self._stores:
            asked = {
                "query": logql,
                "start": int(window.start * 1e9),
                "end": int(window.end * 1e9),
            }
            return f"{self._stores['loki']}/loki/api/v1/query_range?{urlencode(asked)}"
        return ""

    def _explore(self, datasource: str, query: dict[str, Any], window: Window) -> str:
        around = {"from": str(int(window.start * 1000)), "to": str(int(window.end * 1000))}
        source = {"type": datasource, "uid": datasource}
        full = {"refId": "A", "datasource": source, **query}
        panes = {"a": {"datasource": datasource, "queries": [full], "range": around}}
        encoded = quote(json.dumps(panes, separators=(",", ":")), safe="")
        return f"{self._grafana}/explore?schemaVersion=1&orgId=1&panes={encoded}"


def _vmui(query: str, window: Window) -> str:
    ends = datetime.fromtimestamp(window.end, UTC).isoformat(timespec="milliseconds")
    return urlencode(
        {
            "query": query,
            "g0.range_input": f"{window.end - window.start:.0f}s",
            "g0.end_input": ends.replace("+00:00", "Z"),
            "g0.relative_time": "none",
        },
        quote_via=quote,
    )

"""The queries of panels: what each kind asks of which store, and PromQL that several share."""

from dataclasses import dataclass
from typing import TypeAlias

from grafana_foundation_sdk.builders import loki, prometheus, tempo
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.tempo import SearchTableType

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI = DataSourceRef(type_val="loki", uid="loki")
TEMPO = DataSourceRef(type_val="tempo", uid="tempo")

LEAST_STEP = "15s"
"""Least step of a range query: $__rate_interval becomes a minute, or quantiles are noise."""

JOB = 'job="llm-server"'
"""Whatever else this Prometheus scrapes or is sent has another job, and may use our names."""
LOAD = 'job="loadtest"'
"""The load generator, whose `instance` is the run's id."""
SERVER = f'{JOB}, instance=~"$instance"'
OURS = f'{SERVER}, model=~"$model"'
TENANTS = f'{SERVER}, tenant=~"$tenant"'
VLLM = f'{SERVER}, model_name=~"$model"'

FIRING = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
"""The alerts that fire; Watchdog always does, to show that alerts arrive."""
_HELD = 'sum(alertmanager_alerts{state="active"})'
HEARD = (
    f'clamp_min({_HELD} - count(ALERTS{{alertstate="firing", alertname="Watchdog"}}) or {_HELD}, 0)'
)
"""How many alerts Alertmanager holds unsilenced, Watchdog not among them."""

FAULTS = 'outcome=~"server_error|timeout"'
"""The requests that failed by our fault."""
QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
"""The three that a distribution is drawn by, with their names."""

Target: TypeAlias = prometheus.Dataquery | loki.Dataquery | tempo.Dataquery


@dataclass(frozen=True)
class Query:
    """One PromQL range query; `exemplars` only where it reads a raw `_bucket` series."""

    expr: str
    legend: str
    exemplars: bool = False

    def target(self, ref_id: str) -> Target:
        """Return it as Grafana's JSON model."""
        query = prometheus.Dataquery().ref_id(ref_id).datasource(PROMETHEUS).range()
        query.expr(self.expr).legend_format(self.legend).interval(LEAST_STEP)
        return query.exemplar(self.exemplars)


@dataclass(frozen=True)
class Buckets:
    """One PromQL range query of `sum by (le)`, drawn as a heatmap."""

    expr: str

    def target(self, ref_id: str) -> Target:
        """Return it as Grafana's JSON model."""
        query = Query(self.expr, "{{le}}").target(ref_id)
        return query.format(PromQueryFormat.HEATMAP)


@dataclass(frozen=True)
class Now:
    """One PromQL instant query, a row of a table for each series."""

    expr: str

    def target(self, ref_id: str) -> Target:
        """Return it as Grafana's JSON model."""
        query = prometheus.Dataquery().ref_id(ref_id).datasource(PROMETHEUS).instant()
        return query.expr(self.expr).format(PromQueryFormat.TABLE)


@dataclass(frozen=True)
class Logs:
    """One LogQL query, lines or series over the range; `question` is its name in the pictures."""

    question: str
    expr: str
    legend: str = ""
    lines: int = 100
    step: str = ""

    def target(self, _ref_id: str = "") -> Target:
        """Return it as Grafana's JSON model."""
        query = loki.Dataquery().ref_id(self.question).datasource(LOKI).expr(self.expr)
        query.query_type("range").max_lines(self.lines)
        query = query.step(self.step) if self.step else query
        return query.legend_format(self.legend) if self.legend else query


@dataclass(frozen=True)
class Traces:
    """One TraceQL search as a table of spans, or the one trace whose id the query is."""

    question: str
    query: str
    limit: int = 20

    def target(self, _ref_id: str = "") -> Target:
        """Return it as Grafana's JSON model."""
        query = tempo.Dataquery().ref_id(self.question).datasource(TEMPO).query_type("traceql")
        return query.query(self.query).limit(self.limit).table_type(SearchTableType.SPANS)


def rate(series: str, *matchers: str, scope: str = OURS) -> str:
    """Return the per-second rate of a counter over the panel's interval."""
    return f"rate({series}{{{', '.join((scope, *matchers))}}}[$__rate_interval])"


def quantile(q: float, histogram: str, by: str = "model", scope: str = OURS) -> str:
    """Return the quantile `q` of a raw histogram, which keeps exemplars, unlike a recorded one.

    `by` is a label, or empty for one over all.
    """
    labels = f"le, {by}" if by else "le"
    return (
        f"histogram_quantile({q}, sum by ({labels}) ({rate(histogram + '_bucket', scope=scope)}))"
    )


def in_engine() -> list[Query]:
    """Return the requests in the engine's batch, and those without a place in it."""
    return [
        Query(f"sum(vllm:num_requests_running{{{VLLM}}})", "running"),
        Query(f"sum(vllm:num_requests_waiting{{{VLLM}}})", "waiting"),
    ]


def overall(histogram: str, *matchers: str) -> list[Query]:
    """Return p50, p95 and p99 over all that the variables choose, a line each."""
    buckets = rate(histogram + "_bucket", *matchers)
    return [
        Query(f"histogram_quantile({q}, sum by (le) ({buckets}))", name, exemplars=q == 0.95)
        for q, name in QUANTILES
    ]


def quantiles(histogram: str) -> list[Query]:
    """Return p50, p95 and p99; one of them asks for exemplars, or each dot would come thrice."""
    return [
        Query(quantile(q, histogram), f"{name} {{{{model}}}}", exemplars=q == 0.95)
        for q, name in QUANTILES
    ]

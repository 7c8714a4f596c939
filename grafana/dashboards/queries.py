"""The queries of panels: what each kind asks of which store, and PromQL that several share."""

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

from grafana_foundation_sdk.builders import loki, prometheus, tempo
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.tempo import SearchTableType

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI = DataSourceRef(type_val="loki", uid="loki")
TEMPO = DataSourceRef(type_val="tempo", uid="tempo")
MIXED = DataSourceRef(type_val="datasource", uid="-- Mixed --")
"""Grafana's own, of a panel whose queries ask different ones."""

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
BEGAN = f"{FIRING} unless {FIRING} offset 15s"
"""Those that did not yet at the evaluation before."""
_HELD = 'sum(alertmanager_alerts{state="active"})'
HEARD = (
    f'clamp_min({_HELD} - count(ALERTS{{alertstate="firing", alertname="Watchdog"}}) or {_HELD}, 0)'
)
"""How many alerts Alertmanager holds unsilenced, Watchdog not among them."""

NO_TRAFFIC = "no traffic"
"""What a panel says that has lines only while requests end."""

FAULTS = 'outcome=~"server_error|timeout"'
"""The requests that failed by our fault."""
QUANTILES = ((0.99, "p99"), (0.95, "p95"), (0.5, "p50"))
"""The three that a distribution is drawn by, with their names; dots take the first one's color."""

Target: TypeAlias = prometheus.Dataquery | loki.Dataquery | tempo.Dataquery


class Asks(Protocol):
    """A query that a panel can hold."""

    def target(self, ref_id: str) -> Target:
        """Return it as Grafana's JSON model."""


@dataclass(frozen=True)
class Query:
    """One PromQL query, over the range or at its end; `unit` where it is not the panel's."""

    expr: str
    legend: str
    exemplars: bool = False
    unit: str = ""

    def target(self, ref_id: str) -> Target:
        """Return it as Grafana's JSON model; `exemplars` only of a raw `_bucket` series."""
        return self._query(ref_id).range().exemplar(self.exemplars)

    def at_end(self, ref_id: str) -> Target:
        """Return it as Grafana's JSON model, of the range's end alone: nothing there is stale."""
        return self._query(ref_id).instant().format(PromQueryFormat.TIME_SERIES)

    def _query(self, ref_id: str) -> prometheus.Dataquery:
        query = prometheus.Dataquery().ref_id(ref_id).datasource(PROMETHEUS)
        return query.expr(self.expr).legend_format(self.legend).interval(LEAST_STEP)


@dataclass(frozen=True)
class Dots:
    """The exemplars of a raw histogram and no line, the highest of every `FEW` steps.

    One a step would hide the lines. It stands before what else reads the buckets: Grafana asks
    only the first query of a histogram for exemplars, once it knows the histograms' names.
    """

    histogram: str
    scope: str
    FEW: ClassVar[int] = 8

    @property
    def any_seen(self) -> str:
        """PromQL that is there while the range holds any observation."""
        return any_seen(f"{self.histogram}_count", self.scope)

    def target(self, ref_id: str) -> Target:
        """Return it as Grafana's JSON model."""
        # No bucket is below zero, so this has no line; exemplars are asked for by its selector.
        query = Query(f"{self.histogram}_bucket{{{self.scope}}} < 0", "dots")._query(ref_id)
        return query.range().exemplar(True).interval_factor(self.FEW)


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


def measured(expr: str) -> str:
    """Return a quantile or share without its NaN, which would be a name in the legend, no line."""
    return f"{expr} >= 0"


def seen(expr: str, by: str, counter: str, scope: str = OURS, most: int = 0) -> str:
    """Return an answer by a label, without the label's values that counted nothing in the range.

    Of a label without a bound only the `most` that counted most, or no legend would hold them.
    """
    counted = f"sum by ({by}) (increase({counter}{{{scope}}}[$__range] @ end())) > 0"
    return f"{expr} and on ({by}) {f'topk({most}, {counted})' if most else counted}"


def any_seen(counter: str, scope: str = OURS) -> str:
    """Return what is there, at every moment, while the range holds anything counted."""
    return f"sum(increase({counter}{{{scope}}}[$__range] @ end())) > 0"


def dots(histogram: str, *matchers: str, scope: str = OURS) -> Dots:
    """Return the exemplars of a raw histogram, few enough not to hide the lines."""
    return Dots(histogram, ", ".join((scope, *matchers)))


def overall(histogram: str, *matchers: str) -> list[Asks]:
    """Return p99, p95 and p50 over all that the variables choose, a line each, and the dots."""
    buckets = rate(histogram + "_bucket", *matchers)
    lines = [
        Query(measured(f"histogram_quantile({q}, sum by (le) ({buckets}))"), name)
        for q, name in QUANTILES
    ]
    return [dots(histogram, *matchers), *lines]


def quantiles(histogram: str) -> list[Asks]:
    """Return p99, p95 and p50 of each model, and the dots."""
    lines = [
        Query(measured(quantile(q, histogram)), f"{name} {{{{model}}}}") for q, name in QUANTILES
    ]
    return [dots(histogram), *lines]

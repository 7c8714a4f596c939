"""What a metric is: one frozen record each, ours and every other that we read."""

from dataclasses import dataclass
from enum import StrEnum

SERVER = "llm-server"
"""The job of our server: whatever else is behind the same Prometheus has another."""
LOAD = "loadtest"
"""The job of the load generator, which pushes."""


class Kind(StrEnum):
    """The OpenMetrics type, which decides the names that Prometheus stores."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


class Method(StrEnum):
    """Which question the metric answers."""

    RED = "RED"
    USE = "USE"
    COST = "cost"
    TELEMETRY = "telemetry"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric by the name that is queried, so a counter's ends in `_total`.

    `labels` are its own, beside the scrape's `job` and `instance`; `buckets` are upper edges in
    `unit`; `source` is the Prometheus job that exposes it, `job` the one on its series where that
    is another; `absent` says why a healthy scrape may lack it, `unused` why no rule, alert or board
    of ours reads it.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    method: Method
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    source: str = SERVER
    job: str = ""
    absent: str = ""
    unused: str = ""

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series in Prometheus."""
        parts = {
            Kind.HISTOGRAM: ("_bucket", "_sum", "_count"),
            Kind.SUMMARY: ("", "_sum", "_count"),
        }
        return tuple(self.name + suffix for suffix in parts.get(self.kind, ("",)))

    @property
    def is_of_server(self) -> bool:
        """True where the name alone is not enough: other applications may use it too."""
        return SERVER in (self.job, self.source)

    @property
    def owner(self) -> str:
        """The job that a query of it has to name; empty where the name alone is enough."""
        if self.is_of_server:
            return SERVER
        return LOAD if self.source == LOAD else ""

    @property
    def family(self) -> str:
        """The name that prometheus_client is given: it adds a counter's `_total` itself."""
        return self.name.removesuffix("_total") if self.kind is Kind.COUNTER else self.name

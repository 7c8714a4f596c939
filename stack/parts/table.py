"""The parts of the stack: their names, ports, probes and pages, in the order they are shown."""

from dataclasses import dataclass

from stack.parts.lineup import LineUp


@dataclass(frozen=True)
class Part:
    """One part: its ports on loopback, the path that says it is ready, and what a browser opens."""

    name: str
    ports: tuple[int, ...]
    probe: str
    page: str = ""
    shows: str = ""

    @property
    def probe_url(self) -> str:
        """The URL that answers 200 when the part is ready."""
        return f"http://127.0.0.1:{self.probe}"

    @property
    def page_url(self) -> str:
        """The URL to open or to call."""
        return f"http://127.0.0.1:{self.page}"


GRAFANA = Part("grafana", (3000,), "3000/api/health", "3000/", "dashboards, Explore, all links")

CORE = (
    Part("server", (8000, 9464), "8000/ready", "8000/v1", "OpenAI API (metrics on :9464)"),
    Part("otel-collector", (4317, 4318, 8888, 13133), "13133/", "4318/", "OTLP in, gRPC on :4317"),
    Part("prometheus", (9090,), "9090/-/ready", "9090/", "metrics, rules, exemplars"),
    Part("alertmanager", (9093,), "9093/-/ready", "9093/", "alerts, silences"),
    Part("alertlog", (9095,), "9095/health", "9095/runbooks/", "runbooks, alerts that arrived"),
    Part("node-exporter", (9100,), "9100/", "9100/metrics", "the machine's own metrics"),
)

STORES = {
    "tempo": Part("tempo", (3200, 3201, 14317), "3200/ready", "3200/status", "traces (API)"),
    "loki": Part("loki", (3100, 3101), "3100/ready", "3100/services", "logs (API)"),
    "jaeger": Part(
        "jaeger",
        (16686, 16685, 14317, 13134, 14888),
        "13134/status",
        "16686/api/services",
        "traces (API)",
    ),
    "victorialogs": Part(
        "victorialogs", (9428,), "9428/health", "9428/select/vmui", "logs, LogsQL and a page"
    ),
}
"""What keeps traces and logs, by name; two of them run."""


def parts(lineup: LineUp) -> tuple[Part, ...]:
    """The parts that should run."""
    stores = tuple(STORES[name] for name in lineup.stores)
    return (*CORE, *stores, GRAFANA) if lineup.grafana else (*CORE, *stores)

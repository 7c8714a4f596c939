"""What each official image holds, read from its Dockerfile; our stand-ins hold that or less.

The embedded stores have no image in compose.yaml: theirs are named here.
"""

from dataclasses import dataclass, field

NOBODY, TEN_THOUSAND = 65534, 10001


@dataclass(frozen=True)
class Image:
    """One image: its key in .env or its tag; binaries and owners of folders by path."""

    key: str
    user: str
    binaries: dict[str, str] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    busybox: str = ""
    workdir: str = "/"

    @property
    def entrypoint(self) -> str:
        """The binary that starts, empty for the image that is nothing but tools."""
        return next(iter(self.binaries), "")


IMAGES = (
    Image(
        "PROMETHEUS_IMAGE",
        "nobody",
        {"/bin/prometheus": "prometheus", "/bin/promtool": "promtool"},
        {"/etc/prometheus": NOBODY, "/prometheus": NOBODY},
        busybox="/bin",
        workdir="/prometheus",
    ),
    Image(
        "ALERTMANAGER_IMAGE",
        "nobody",
        {"/bin/alertmanager": "alertmanager", "/bin/amtool": "amtool"},
        {"/etc/alertmanager": NOBODY, "/alertmanager": NOBODY},
        busybox="/bin",
        workdir="/alertmanager",
    ),
    Image("NODE_EXPORTER_IMAGE", "nobody", {"/bin/node_exporter": "node_exporter"}, busybox="/bin"),
    # Made from scratch: no folder that a volume could take its owner from.
    Image("OTEL_COLLECTOR_IMAGE", "10001:10001", {"/otelcol-contrib": "otelcol"}),
    Image("BUSYBOX_IMAGE", "", busybox="/bin"),
)

STORES = {
    # Distroless with a debug shell: busybox lies in a folder of its own.
    "tempo": Image(
        "TEMPO_IMAGE",
        "10001:10001",
        {"/tempo": "tempo"},
        {"/var/tempo": TEN_THOUSAND},
        busybox="/busybox",
    ),
    # Neither shell nor tools since 3.6.
    "loki": Image("LOKI_IMAGE", "10001", {"/usr/bin/loki": "loki"}, {"/loki": TEN_THOUSAND}),
    "jaeger": Image(
        "llm-observability/jaeger:stand-in",
        "10001:10001",
        {"/jaeger": "jaeger"},
        {"/var/jaeger": TEN_THOUSAND},
        busybox="/busybox",
    ),
    "victorialogs": Image(
        "llm-observability/victorialogs:stand-in",
        "10001:10001",
        {"/victoria-logs": "victoria-logs"},
        {"/var/victorialogs": TEN_THOUSAND},
        busybox="/busybox",
    ),
}

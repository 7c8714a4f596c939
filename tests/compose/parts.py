"""What each official image holds, read from its Dockerfile; our stand-ins hold that or less."""

from dataclasses import dataclass, field

NOBODY, TEN_THOUSAND = 65534, 10001


@dataclass(frozen=True)
class Image:
    """One image: binaries by path, folders by path with their owner, where busybox is if at all."""

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
    # Distroless with a debug shell: busybox lies in a folder of its own.
    Image(
        "TEMPO_IMAGE",
        "10001:10001",
        {"/tempo": "tempo"},
        {"/var/tempo": TEN_THOUSAND},
        busybox="/busybox",
    ),
    # Neither shell nor tools since 3.6.
    Image("LOKI_IMAGE", "10001", {"/usr/bin/loki": "loki"}, {"/loki": TEN_THOUSAND}),
    # Made from scratch: no folder that a volume could take its owner from.
    Image("OTEL_COLLECTOR_IMAGE", "10001:10001", {"/otelcol-contrib": "otelcol"}),
    Image("BUSYBOX_IMAGE", "", busybox="/bin"),
)

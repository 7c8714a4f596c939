"""What we read of the machine (node_exporter) and of every process that exports itself."""

from server.catalogue.record import Kind, Method, Metric


def _node(name: str, kind: Kind, unit: str, text: str, *labels: str) -> Metric:
    return Metric(f"node_{name}", kind, unit, text, Method.USE, labels, source="node-exporter")


_FILESYSTEM = ("device", "device_error", "fstype", "mountpoint")
NODE = (
    _node("cpu_seconds_total", Kind.COUNTER, "seconds", "CPU time by mode.", "cpu", "mode"),
    _node("memory_MemAvailable_bytes", Kind.GAUGE, "bytes", "Memory a new process could get."),
    _node("memory_MemTotal_bytes", Kind.GAUGE, "bytes", "Memory of the machine."),
    _node("filesystem_avail_bytes", Kind.GAUGE, "bytes", "Free space.", *_FILESYSTEM),
    _node("filesystem_size_bytes", Kind.GAUGE, "bytes", "Size.", *_FILESYSTEM),
    _node("time_seconds", Kind.GAUGE, "seconds", "The machine's clock, Unix seconds."),
)


def _every(name: str, kind: Kind, unit: str, text: str) -> Metric:
    return Metric(name, kind, unit, text, Method.TELEMETRY, source="every part")


PROCESS = (
    _every("process_start_time_seconds", Kind.GAUGE, "seconds", "Unix time of the start."),
    _every("up", Kind.GAUGE, "1", "1 when the last scrape succeeded."),
    _every("scrape_duration_seconds", Kind.GAUGE, "seconds", "How long the scrape took."),
    _every("scrape_samples_post_metric_relabeling", Kind.GAUGE, "samples", "Kept of the scrape."),
)
"""The Collector has no start time: its uptime is read instead."""

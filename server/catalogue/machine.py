"""What we read of the machine (node_exporter) and of every process that exports itself."""

from server.catalogue.record import Kind, Method, Metric

_LINUX = "kernels without pressure stall information (CONFIG_PSI)"


def _node(name: str, kind: Kind, unit: str, text: str, *labels: str, absent: str = "") -> Metric:
    source = "node-exporter"
    return Metric(
        f"node_{name}", kind, unit, text, Method.USE, labels, source=source, absent=absent
    )


NODE = (
    _node("cpu_seconds_total", Kind.COUNTER, "seconds", "CPU time by mode.", "cpu", "mode"),
    _node("load1", Kind.GAUGE, "tasks", "Tasks that run or wait, over a minute."),
    _node("memory_MemAvailable_bytes", Kind.GAUGE, "bytes", "Memory a new process could get."),
    _node("memory_MemTotal_bytes", Kind.GAUGE, "bytes", "Memory of the machine."),
    _node("vmstat_oom_kill", Kind.GAUGE, "kills", "Processes killed for want of memory."),
    _node(
        "filesystem_avail_bytes", Kind.GAUGE, "bytes", "Free space.",
        "device", "device_error", "fstype", "mountpoint",
    ),
    _node(
        "filesystem_size_bytes", Kind.GAUGE, "bytes", "Size.",
        "device", "device_error", "fstype", "mountpoint",
    ),
    _node("disk_io_time_seconds_total", Kind.COUNTER, "seconds", "Time with I/O.", "device"),
    _node("disk_read_bytes_total", Kind.COUNTER, "bytes", "Bytes read.", "device"),
    _node("disk_written_bytes_total", Kind.COUNTER, "bytes", "Bytes written.", "device"),
    _node("network_receive_bytes_total", Kind.COUNTER, "bytes", "Bytes received.", "device"),
    _node("network_transmit_bytes_total", Kind.COUNTER, "bytes", "Bytes sent.", "device"),
    _node(
        "pressure_cpu_waiting_seconds_total", Kind.COUNTER, "seconds",
        "Time in which some task waited for a CPU.", absent=_LINUX,
    ),
    _node(
        "pressure_memory_waiting_seconds_total", Kind.COUNTER, "seconds",
        "Time in which some task waited for memory.", absent=_LINUX,
    ),
    _node(
        "pressure_io_waiting_seconds_total", Kind.COUNTER, "seconds",
        "Time in which some task waited for I/O.", absent=_LINUX,
    ),
)  # fmt: skip


def _every(name: str, kind: Kind, unit: str, text: str) -> Metric:
    return Metric(name, kind, unit, text, Method.TELEMETRY, source="every part")


PROCESS = (
    _every("process_start_time_seconds", Kind.GAUGE, "seconds", "Unix time of the start."),
    _every("process_cpu_seconds_total", Kind.COUNTER, "seconds", "CPU time of the process."),
    _every("process_resident_memory_bytes", Kind.GAUGE, "bytes", "Resident memory."),
    _every("process_open_fds", Kind.GAUGE, "files", "Open file descriptors."),
    _every("up", Kind.GAUGE, "1", "1 when the last scrape succeeded."),
    _every("scrape_duration_seconds", Kind.GAUGE, "seconds", "How long the scrape took."),
    _every("scrape_samples_scraped", Kind.GAUGE, "samples", "Series the target exposed."),
)
"""process_* of llm-server is the API process alone; the Collector has names of its own."""

"""What we read of the watchers: Collector, Prometheus, the stores, Alertmanager, alertlog."""

from server.catalogue.record import SERVER, Kind, Method, Metric

_LATE = "the Collector makes it at the first such loss"
_SIGNALS = {"spans": "spans", "log_records": "log records"}
_SENT = ("exporter", "server_address", "server_port", "url_path")


def _read(
    source: str, name: str, kind: Kind, unit: str, text: str, *labels: str, absent: str = ""
) -> Metric:
    return Metric(name, kind, unit, text, Method.TELEMETRY, labels, source=source, absent=absent)


def _otelcol(what: str, text: str, labels: tuple[str, ...], absent: str = "") -> list[Metric]:
    return [
        _read(
            "otel-collector", f"otelcol_{what}_{signal}_total", Kind.COUNTER, unit,
            f"{unit.capitalize()} {text}", *labels, absent=absent,
        )
        for signal, unit in _SIGNALS.items()
    ]  # fmt: skip


_RECEIVER = ("receiver", "transport")
COLLECTOR = (
    *_otelcol("receiver_accepted", "taken in.", _RECEIVER),
    *_otelcol("receiver_refused", "refused; their sender keeps and counts them.", _RECEIVER),
    _read(
        "otel-collector", "otelcol_receiver_refused_metric_points_total", Kind.COUNTER,
        "metric points", "Metric points refused; their sender keeps them.", *_RECEIVER,
        absent="nobody has pushed metrics yet",
    ),
    *_otelcol("receiver_failed", "lost inside the Collector.", _RECEIVER),
    *_otelcol("exporter_sent", "delivered to a store, or to a second backend.", _SENT),
    _read(
        "otel-collector", "otelcol_exporter_sent_metric_points_total", Kind.COUNTER,
        "metric points", "Metric points delivered to Prometheus.", *_SENT,
    ),
    *_otelcol("exporter_send_failed", "lost: a store refused them for good.", ("exporter",), _LATE),
    *_otelcol("exporter_enqueue_failed", "lost: the queue was full.", ("exporter",), _LATE),
    *(
        _read(
            "otel-collector", f"otelcol_exporter_{what}_failed_metric_points_total", Kind.COUNTER,
            "metric points", text, "exporter", absent=_LATE,
        )
        for what, text in {
            "send": "Metric points lost: refused for good.",
            "enqueue": "Metric points lost: the queue was full.",
        }.items()
    ),
    *(
        _read(
            "otel-collector", f"otelcol_exporter_queue_{what}", Kind.GAUGE, "bytes", text,
            "data_type", "exporter",
        )
        for what, text in {
            "size": "Waiting for a store, on disk.",
            "capacity": "Room for what waits.",
        }.items()
    ),
    _read(
        "otel-collector", "otelcol_process_uptime_seconds_total", Kind.COUNTER, "seconds",
        "Seconds since the start: the Collector has no start time.",
    ),
)  # fmt: skip

_SPAN = ("gen_ai_request_model", "llm_outcome", "span_name")
SPAN_METRICS = (
    Metric(
        "traces_span_metrics_calls_total", Kind.COUNTER, "requests",
        "Requests counted from their SERVER spans: RED's second witness.", Method.TELEMETRY, _SPAN,
        source="otel-collector", job=SERVER,
    ),
)  # fmt: skip

_RULES = ("rule_group",)
PROMETHEUS = (
    *(
        _read("prometheus", f"prometheus_{name}", kind, unit, text, *labels)
        for name, kind, unit, text, labels in (
            ("rule_evaluation_failures_total", Kind.COUNTER, "rules", "Rules that failed.", _RULES),
            ("rule_group_last_duration_seconds", Kind.GAUGE, "seconds", "Last run.", _RULES),
            ("rule_group_interval_seconds", Kind.GAUGE, "seconds", "Time between runs.", _RULES),
            ("rule_group_iterations_total", Kind.COUNTER, "runs", "Due, missed or not.", _RULES),
            ("rule_group_iterations_missed_total", Kind.COUNTER, "runs", "Not made.", _RULES),
            ("notifications_alertmanagers_discovered", Kind.GAUGE, "1", "Alertmanagers known.", ()),
            ("notifications_dropped_total", Kind.COUNTER, "alerts", "Lost.", ("alertmanager",)),
            ("tsdb_head_samples_appended_total", Kind.COUNTER, "samples", "Stored.", ("type",)),
            ("tsdb_exemplar_exemplars_appended_total", Kind.COUNTER, "exemplars", "Stored.", ()),
            ("tsdb_exemplar_max_exemplars", Kind.GAUGE, "exemplars", "Room; 0 is none.", ()),
            ("tsdb_too_old_samples_total", Kind.COUNTER, "samples", "Too old.", ("type",)),
            ("tsdb_head_series", Kind.GAUGE, "series", "Series in memory.", ()),
            ("tsdb_wal_corruptions_total", Kind.COUNTER, "1", "Write-ahead log found corrupt.", ()),
        )
    ),
    _read(
        "prometheus", "ALERTS", Kind.GAUGE, "1", "Always 1; each alert that is pending or firing.",
        "alertname", "alertstate", absent="no alert is pending or firing",
    ),
    _read(
        "prometheus", "ALERTS_FOR_STATE", Kind.GAUGE, "seconds",
        "Unix time at which the condition of each alert that is pending or firing began to hold.",
        "alertname", absent="no alert is pending or firing",
    ),
)  # fmt: skip

_OTHER_TRACES = 'Jaeger keeps the traces; the Collector\'s series of `job="jaeger"` stand for it'
_OTHER_LOGS = "VictoriaLogs keeps the logs"
_TEMPO = (
    ("distributor_spans_received_total", "spans", "Spans taken in.", ("tenant",)),
    ("discarded_spans_total", "spans", "Spans thrown away.", ("reason", "tenant")),
    ("ingester_failed_flushes_total", "flushes", "Writes to disk that failed.", ()),
)
_LOKI = (
    (
        "distributor_lines_received_total", "lines", "Lines taken in.",
        ("format", "is_internal_stream", "policy", "tenant"),
    ),
    ("discarded_samples_total", "lines", "Lines thrown away.", ("policy", "reason", "tenant")),
    ("ingester_chunks_flush_failures_total", "chunks", "Writes to disk that failed.", ()),
)  # fmt: skip
_VICTORIALOGS = (
    ("rows_ingested_total", Kind.COUNTER, "lines", "Lines taken in.", ("type",)),
    ("rows_dropped_total", Kind.COUNTER, "lines", "Lines thrown away.", ("reason",)),
    ("too_long_lines_skipped_total", Kind.COUNTER, "lines", "Lines too long to keep.", ()),
    ("storage_is_read_only", Kind.GAUGE, "1", "1 while its disk is too full to write.", ("path",)),
)
STORES = (
    *(
        _read("tempo", f"tempo_{name}", Kind.COUNTER, unit, text, *labels, absent=_OTHER_TRACES)
        for name, unit, text, labels in _TEMPO
    ),
    *(
        _read("loki", f"loki_{name}", Kind.COUNTER, unit, text, *labels, absent=_OTHER_LOGS)
        for name, unit, text, labels in _LOKI
    ),
    *(
        _read("victorialogs", f"vl_{name}", kind, unit, text, *labels, absent="Loki keeps the logs")
        for name, kind, unit, text, labels in _VICTORIALOGS
    ),
)
"""What keeps traces and logs; which of them run is told by the label `store` of their targets."""

ALERTS = (
    _read("alertmanager", "alertmanager_alerts", Kind.GAUGE, "alerts", "Alerts held.", "state"),
    _read(
        "alertmanager", "alertmanager_notifications_total", Kind.COUNTER, "notifications",
        "Tried.", "integration", "receiver_name",
    ),
    _read(
        "alertmanager", "alertmanager_notifications_failed_total", Kind.COUNTER, "notifications",
        "Failed.", "integration", "reason", "receiver_name",
    ),
    _read(
        "alertlog", "alertlog_alerts_total", Kind.COUNTER, "alerts",
        "Alerts received, by what became of them.", "result",
    ),
    Metric(
        "alertlog_heartbeat_timestamp_seconds", Kind.GAUGE, "seconds",
        "Unix time of the last Watchdog that arrived, 0 before the first.", Method.TELEMETRY,
        source="alertlog", unused="who would tell of its age by an alert is who may be silent",
    ),
)  # fmt: skip

TELEMETRY = (*COLLECTOR, *SPAN_METRICS, *PROMETHEUS, *STORES, *ALERTS)

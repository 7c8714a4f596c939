"""Telemetry health: the watcher watched, from the server's own counts to the alerts' delivery."""

from grafana.dashboards import sdk
from grafana.dashboards.colors import BAD
from grafana.dashboards.limits import Limits
from grafana.dashboards.panels import Panel, series, stat, timeline
from grafana.dashboards.queries import HEARD, JOB, SERVER, Query
from grafana.dashboards.slo import limit

NOTHING_SCRAPED = "nothing is scraped"
SIGNALS = ("spans", "log_records", "metric_points")
COLLECTOR, JAEGER = 'job="otel-collector"', 'job="jaeger"'
"""Jaeger is a Collector too: without a job its series would be added to the Collector's own."""
TO_OURS = f'{COLLECTOR}, exporter!="otlp_http/second"'
"""What goes to a second backend goes to our stores as well: it would count twice."""


def _rate(series_: str, matchers: str = "") -> str:
    return f"rate({series_}{{{matchers}}}[$__rate_interval])"


def _collected(what: str, job: str = COLLECTOR) -> str:
    return f"sum({_rate(f'otelcol_{what}_total', job)})"


def verdict() -> list[Panel]:
    """Return whether every part answers, and what was lost.

    One list in the order of the board, and so longer than 40 lines.
    """
    made = f'llm_telemetry_items_total{{{SERVER}, result="made"}}'
    lost = f'llm_telemetry_items_total{{{SERVER}, result=~"failed|dropped"}}'
    return [
        timeline(
            "Targets",
            "Each part's last scrape; where a band turns red run `make status` and read `make logs "
            "PART=<part>`.",
            Query("min by (job) (up)", "{{job}}"),
            empty=NOTHING_SCRAPED,
            width=12,
        ),
        stat(
            "Spans and logs lost",
            "Share of what the server made in this range and could not deliver; when not zero, see "
            "whether the Collector refused it or was away.",
            "percentunit",
            Query(f"sum(increase({lost}[$__range])) / sum(increase({made}[$__range]))", "lost"),
            limits=Limits(0.0001),
        ),
        stat(
            "Errors in our hooks",
            "Errors inside the observing code in this range, which cost numbers and no request; "
            "when not zero, search the server's log for observer_error.",
            "none",
            Query(f"sum(increase(llm_observer_errors_total{{{SERVER}}}[$__range]))", "errors"),
            limits=Limits(1),
        ),
        stat(
            "Unseen by the spans",
            "Requests of ten minutes that the scraped counter saw and the spans did not, or the "
            "reverse; when it stays red, read what was refused or lost below.",
            "percentunit",
            Query(
                f"abs(1 - sum(increase(traces_span_metrics_calls_total{{{JOB}}}[10m]))"
                f" / sum(increase(llm_requests_total{{{SERVER}}}[10m])))",
                "difference",
            ),
            limits=Limits(0.05),
        ),
    ]


def collector() -> list[Panel]:
    """Return what goes through the Collector, what waits in it, and what it refused or lost.

    One list in the order of the board, and so longer than 40 lines.
    """
    through = [
        Query(_collected(f"receiver_accepted_{signal}"), f"{signal} in") for signal in SIGNALS[:2]
    ]
    sent = [
        Query(_collected(f"exporter_sent_{signal}", TO_OURS), f"{signal} out") for signal in SIGNALS
    ]
    bad = [
        Query(_collected(f"receiver_{what}_{signal}"), f"{signal} {what}")
        for what in ("refused", "failed")
        for signal in SIGNALS[:2]
    ]
    lost = [
        Query(_collected(f"exporter_{what}_failed_{signal}", TO_OURS), f"{signal} {what}")
        for what in ("send", "enqueue")
        for signal in SIGNALS[:2]
    ]
    queue = [f"otelcol_exporter_queue_{part}{{{COLLECTOR}}}" for part in ("size", "capacity")]
    return [
        series(
            "Through the Collector",
            "Items per second in and out; when in runs ahead of out, a store is away and the queue "
            "on disk grows: see the next panel.",
            "short",
            [*through, *sent],
            empty="no Collector is scraped",
        ),
        series(
            "Collector queue",
            "Share of the queue on disk that is filled, by exporter; near the dashed line free "
            "disk or bring its store back before data is refused.",
            "percentunit",
            [Query(f"max by (exporter) ({' / '.join(queue)})", "{{exporter}}")],
            limits=limit("collector_queue"),
            top=1,
            empty="no Collector is scraped",
        ),
        series(
            "Refused or lost in the Collector",
            "Items per second that it refused, failed to take or lost on the way out; when not "
            "zero read `make logs PART=otel-collector`.",
            "short",
            [*bad, *lost],
            stacked=True,
            least_top=0.1,
            hue=BAD,
            empty="no Collector is scraped",
        ),
    ]


def stores() -> list[Panel]:
    """Return what arrives in the stores and what scraping takes; those that run have lines.

    One list in the order of the board, and so longer than 40 lines.
    """
    arriving = {
        "Prometheus samples": _rate("prometheus_tsdb_head_samples_appended_total"),
        "Prometheus exemplars": _rate("prometheus_tsdb_exemplar_exemplars_appended_total"),
        "Tempo spans": _rate("tempo_distributor_spans_received_total"),
        "Jaeger spans": _rate("otelcol_receiver_accepted_spans_total", JAEGER),
        "Loki lines": _rate("loki_distributor_lines_received_total"),
        "VictoriaLogs lines": _rate("vl_rows_ingested_total"),
    }
    thrown = {
        "Prometheus too old": _rate("prometheus_tsdb_too_old_samples_total"),
        "Tempo spans": _rate("tempo_discarded_spans_total"),
        "Tempo flushes": _rate("tempo_ingester_failed_flushes_total"),
        "Jaeger spans": _rate("otelcol_exporter_send_failed_spans_total", JAEGER),
        "Loki lines": _rate("loki_discarded_samples_total"),
        "Loki chunks": _rate("loki_ingester_chunks_flush_failures_total"),
        "VictoriaLogs lines": (
            f"{_rate('vl_rows_dropped_total')} or {_rate('vl_too_long_lines_skipped_total')}"
        ),
        "VictoriaLogs takes no more": "vl_storage_is_read_only",
    }
    return [
        series(
            "Arriving in the stores",
            "Samples, spans and lines per second that each store took in; when one falls to zero "
            "alone, look at its band above and at the Collector's queue.",
            "short",
            [Query(f"sum({rate})", name) for name, rate in arriving.items()],
            logarithmic=True,
            empty="no store is scraped",
        ),
        series(
            "Thrown away by the stores",
            "Spans, flushes, lines and samples per second that a store refused or failed to write; "
            "when not zero, check its disk and its limits.",
            "short",
            [Query(f"sum({rate})", name) for name, rate in thrown.items()],
            stacked=True,
            least_top=0.1,
            hue=BAD,
            empty="no store is scraped",
        ),
        series(
            "Scrape duration",
            "How long each part takes to answer a scrape; above 4 s the scrape fails, so for the "
            "server count its series (docs/metrics.md).",
            "s",
            [Query("max by (job) (scrape_duration_seconds)", "{{job}}")],
            limits=Limits(4),
            logarithmic=True,
            empty=NOTHING_SCRAPED,
        ),
    ]


def alerts() -> list[Panel]:
    """Return whether rules run in time and alerts reach their receiver."""
    last = "prometheus_rule_group_last_duration_seconds"
    share = f"max by (rule_group) ({last} / prometheus_rule_group_interval_seconds)"
    longest = f"max by (rule_group) (max_over_time({last}[$__range] @ end()))"
    shown = f"{share} and on (rule_group) topk(5, {longest})"
    group = f'label_replace({shown}, "group", "$1 $2", "rule_group", ".*/(.+)/.+;(.+)")'
    return [
        series(
            "Rule evaluation",
            "Time of a rule group's last run as a share of its interval, of the five that were "
            "slowest in this range; near 1 alerts come late: lower the load on Prometheus or split "
            "the group.",
            "percentunit",
            [Query(group, "{{group}}")],
            width=12,
            limits=Limits(1),
            empty="no rule has run",
        ),
        series(
            "Alerts on their way",
            "Alerts held, and notifications and failures per minute; when any failure is not zero "
            "nobody is told: read `make logs PART=alertmanager` and PART=alertlog.",
            "short",
            [
                Query(HEARD, "active"),
                Query(f"60 * sum({_rate('alertmanager_notifications_total')})", "notified"),
                Query(f"60 * sum({_rate('alertmanager_notifications_failed_total')})", "failed"),
                Query(f"60 * sum({_rate('prometheus_notifications_dropped_total')})", "dropped"),
                Query(
                    f"60 * sum({_rate('prometheus_rule_evaluation_failures_total')})",
                    "rules failed",
                ),
                Query(
                    f"60 * sum by (result) ({_rate('alertlog_alerts_total')})",
                    "alertlog {{result}}",
                ),
            ],
            width=12,
            empty=NOTHING_SCRAPED,
        ),
    ]


def build() -> str:
    """Return the telemetry health board as JSON."""
    return sdk.dashboard_json(
        uid="llm-telemetry",
        description="Can the other boards be believed? Scrapes, the Collector, stores and alerts.",
        uses=["instance"],
        rows=[
            ("Verdict", verdict()),
            ("Collector", collector()),
            ("Stores", stores()),
            ("Rules and alerts", alerts()),
        ],
    )

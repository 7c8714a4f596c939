"""The table of drills: each cause, what has to come of it, and what may come beside it."""

from stack.drills import routes
from stack.drills.causes import cost, monitoring, parts, serving, telemetry
from stack.drills.drill import Drill, Expected, alerts
from stack.drills.recorded_table import RECORDED, TOGETHER
from stack.drills.servers import HASTY, SMALL, SPENDER

_PARTS = {
    "collector": "otel-collector",
    "traces": "traces",
    "logs": "logs",
    "alertlog": "alertlog",
    "node-exporter": "node-exporter",
    "server": "server",
}
_LOAD = alerts("CostSpike", "ErrorBudgetBurn", "StepModelInaccurate")
"""What an unusual load may set off as well, and on two cores does."""


def _down(name: str, part: str) -> Drill:
    job = "llm-server" if part == "server" else part
    labels = {"store": part} if part in ("traces", "logs") else {"job": job}
    about = f"{'the store of ' if 'store' in labels else ''}{part} is stopped and stays down"
    expected = (Expected("TargetDown", labels),)
    # Its return is a restart, which is told once it no longer counts as down; so is what was lost.
    lost = alerts("TelemetryLost") if name == "collector" else ()
    allowed = (Expected("TargetRestarted", labels), *lost)
    return Drill(f"{name}-down", about, expected, parts.down(part), allowed)


_OF_PARTS = (
    *(_down(name, part) for name, part in _PARTS.items()),
    Drill(
        "target-missing",
        "node-exporter runs, but is not in Prometheus's list",
        (Expected("TargetMissing", {"job": "node-exporter"}),),
        parts.unlisted("node-exporter"),
    ),
    Drill(
        "part-killed",
        "alertlog is killed outright and comes back by itself",
        (Expected("TargetRestarted", {"job": "alertlog"}),),
        parts.killed("alertlog"),
    ),
    Drill(
        "scrape-slow",
        "a target takes over 3 s to answer a scrape",
        (Expected("ScrapeSlow", {"job": "drill"}),),
        parts.slow_target,
    ),
    Drill(
        "scrape-flapping",
        "a target answers two scrapes of three",
        (Expected("ScrapeFlapping", {"job": "drill"}),),
        parts.flapping_target,
    ),
)

_COLLECTOR = tuple(
    Expected(name, {"job": "otel-collector"}) for name in ("TargetDown", "TargetRestarted")
)

_OF_TELEMETRY = (
    Drill(
        "telemetry-lost",
        "the Collector is away for longer than the server keeps what it has",
        alerts("TelemetryLost"),
        telemetry.lost,
        (*_COLLECTOR, *_LOAD),
    ),
    Drill(
        "queue-full",
        "a Collector with a small queue cannot reach the store of logs",
        alerts("CollectorQueueFilling", "TelemetryDiscarded"),
        telemetry.queue_full,
        (*_COLLECTOR, *alerts("TelemetryRefused", "TelemetryLost"), *_LOAD),
    ),
)

_OF_WATCHERS = (
    Drill(
        "rule-fails",
        "a rule file can be read and not evaluated",
        alerts("RuleEvaluationFailing"),
        monitoring.broken_rule,
    ),
    Drill(
        "alertmanager-unlisted",
        "Prometheus knows of no Alertmanager",
        (Expected("AlertmanagerUnreachable", at_prometheus=True),),
        monitoring.no_alertmanager,
    ),
    Drill(
        "alertmanager-down",
        "Alertmanager is stopped and stays down",
        (Expected("TargetDown", {"job": "alertmanager"}, at_prometheus=True),),
        monitoring.alertmanager_down,
        (Expected("TargetRestarted", {"job": "alertmanager"}), *alerts("AlertmanagerUnreachable")),
    ),
    Drill(
        "watchdog-silent",
        "Watchdog no longer fires: `make status` says so after 3 minutes, and ends with 3",
        (),
        monitoring.watchdog_silent,
    ),
    Drill(
        "delivery-fails",
        "a receiver answers 500 to one alert",
        (Expected("AlertDeliveryFailing", {"receiver_name": routes.NAME}),),
        monitoring.refusing_receiver,
        alerts(monitoring.PROBE),
    ),
    Drill(
        "series-growth",
        "a stranger's target has 30,000 series",
        alerts("SeriesGrowth"),
        monitoring.flood,
    ),
)

_OF_SERVING = (
    Drill(
        "engine-stopped",
        "the engine core is stopped (SIGSTOP) while requests run",
        alerts("EngineStalled"),
        serving.engine_stopped,
        (*alerts("AbortShareHigh"), *_LOAD),
    ),
    Drill(
        "loop-blocked",
        "the API process stands still for half of each second",
        alerts("EventLoopLagHigh"),
        serving.blocked_loop,
        (Expected("ScrapeSlow", {"job": "llm-server"}),),
    ),
    Drill(
        "callers-leave",
        "callers hang up after 0.3 s",
        alerts("AbortShareHigh"),
        serving.leaving_callers,
        _LOAD,
    ),
    Drill(
        "queue-grows",
        "one caller more each second, where two are served at a time",
        alerts("QueueGrowing"),
        serving.growing_queue,
        (*alerts("OldestRequestWaitsTooLong", "AbortShareHigh"), *_LOAD),
        SMALL,
    ),
    Drill(
        "queue-stands",
        "40 callers at once, where two are served at a time",
        alerts("OldestRequestWaitsTooLong"),
        serving.standing_queue,
        (*alerts("QueueGrowing", "AbortShareHigh"), *_LOAD),
        SMALL,
    ),
    Drill(
        "requests-fail",
        "every request runs past the server's deadline",
        (Expected("ErrorBudgetBurn", {"objective": "availability", "severity": "critical"}),),
        serving.all_fail,
        (
            *alerts("UnpricedModel", "GpuCostMissing", "AbortShareHigh"),
            *alerts("OldestRequestWaitsTooLong"),
            *_LOAD,
        ),
        HASTY,
    ),
)

_OF_COST = (
    Drill(
        "dear-requests",
        "long dear inputs with short answers",
        alerts("CostPer1kOutputTokensHigh"),
        cost.dear_requests,
        _LOAD,
        SMALL,
    ),
    Drill(
        "books-not-kept",
        "the server's books cannot be written",
        alerts("LedgerNotKept"),
        cost.books_not_kept,
        # Each save that fails is one.
        (Expected("HookErrors", {"hook": "ledger"}),),
    ),
    Drill(
        "price-list-refused",
        "the price list is saved with an error in it",
        alerts("PriceFileRefused"),
        cost.bad_prices,
        server=SMALL,
    ),
    Drill(
        "budget-exceeded",
        "a tenant with a budget of 10 microdollars spends more",
        (Expected("TenantBudgetExceeded", {"tenant": SPENDER}),),
        cost.small_budget,
        (Expected("TenantBudgetSoft", {"tenant": SPENDER}),),
        SMALL,
        ends_with_server=True,
    ),
    Drill(
        "model-unpriced",
        "a model is served that the price list does not have",
        alerts("UnpricedModel"),
        cost.unpriced,
        _LOAD,
        HASTY,
    ),
)


def _in_order(drills: tuple[Drill, ...]) -> tuple[Drill, ...]:
    """Those of one server together; last among them what ends with it, or burns a budget."""
    servers = list(dict.fromkeys(drill.server for drill in drills))
    last = ("requests-fail",)
    return tuple(
        sorted(drills, key=lambda d: (servers.index(d.server), d.ends_with_server, d.name in last))
    )


DRILLS = _in_order(_OF_PARTS + _OF_TELEMETRY + _OF_WATCHERS + _OF_SERVING + _OF_COST + RECORDED)
"""Every drill, in the order in which they are performed."""
ALL = _in_order((*(drill for drill in DRILLS if not drill.recorded), TOGETHER))
"""What `ALL=1` performs."""

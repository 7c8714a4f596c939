"""The rows of what cannot be caused here: drills on recorded series."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from stack.drills.causes import history, recorded
from stack.drills.drill import Drill, Expected, alerts
from stack.drills.scene import Scene

RECORDED = (
    Drill(
        "gpu",
        "a GPU with memory errors, a hot one, a full one, an idle one, a driver that hangs",
        alerts("GpuFailing", "GpuTooHot", "GpuMemoryNearlyFull", "GpuIdle", "GpuNotReadable"),
        recorded.GPU,
        recorded=True,
    ),
    Drill(
        "machine",
        "memory low, a disk full, a disk that fills, a clock that is wrong",
        tuple(
            Expected(name, {"instance": "drill-machine"})
            for name in ("MachineMemoryLow", "DiskSpaceLow", "DiskWillFill", "ClockSkew")
        ),
        recorded.MACHINE_FULL,
        recorded=True,
        seconds=210,
    ),
    Drill(
        "engine",
        "an engine that lets nobody in, one that throws requests out, a start that does not end, a "
        "loop that stands still",
        alerts("AdmissionLivelock", "KvCachePreempting", "ServerNotReady", "EventLoopBlocked"),
        recorded.ENGINE,
        recorded=True,
    ),
    Drill(
        "ledger",
        "the bill does not add up, device time is unknown, steps are predicted badly",
        alerts("LedgerError", "GpuCostMissing", "StepModelInaccurate"),
        recorded.LEDGER,
        recorded=True,
    ),
    Drill(
        "spending",
        "a budget nearly spent, a request of over 1000 times the usual tokens",
        alerts("TenantBudgetSoft", "RequestTokensExtreme"),
        recorded.BUDGET_AND_TOKENS,
        recorded=True,
    ),
    Drill(
        "spend-grows",
        "a model costs 2000 times what it did before",
        alerts("CostSpike"),
        history.spend_grows,
        recorded=True,
    ),
    Drill(
        "quantile-ceiling",
        "every observation lies above the last edge of its grid",
        alerts("QuantileIsACeiling"),
        recorded.CEILING,
        recorded=True,
    ),
    Drill(
        "telemetry",
        "errors of a hook, spans refused by the Collector, requests without exemplars",
        alerts("HookErrors", "TelemetryRefused", "ExemplarsMissing"),
        recorded.TELEMETRY,
        recorded=True,
    ),
    Drill(
        "watchers",
        "Prometheus skips evaluations, and found its write-ahead log corrupt",
        alerts("RuleEvaluationMissed", "WalCorruption"),
        recorded.WATCHERS,
        recorded=True,
    ),
)


@contextmanager
def _all(scene: Scene) -> Iterator[None]:
    with ExitStack() as causes:
        for drill in RECORDED:
            causes.enter_context(drill.cause(scene))
        yield


TOGETHER = Drill(
    "recorded",
    "all recorded series at once, which do not know of each other",
    tuple(expected for drill in RECORDED for expected in drill.expected),
    _all,
    recorded=True,
    seconds=max(drill.seconds for drill in RECORDED),
)
"""What `ALL=1` performs in the place of each: a drill a minute would be ten of them."""

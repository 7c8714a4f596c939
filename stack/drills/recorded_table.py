"""The rows of what cannot be caused here: drills on recorded series."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from stack.drills.causes import history, recorded
from stack.drills.drill import Drill, Expected
from stack.drills.scene import Scene


def _at(instance: str, *names: str) -> tuple[Expected, ...]:
    """Alerts about a target of the drill's own: a real one of that name is another's."""
    return tuple(Expected(name, {"instance": instance}) for name in names)


def _of(label: str, *names: str) -> tuple[Expected, ...]:
    """Alerts that are counted over all replicas, of the drill's own model or tenant."""
    return tuple(Expected(name, {label: "drill"}) for name in names)


RECORDED = (
    Drill(
        "gpu",
        "a GPU with memory errors, a hot one, a full one, an idle one, a driver that hangs",
        _at(
            "drill-gpu",
            *("GpuFailing", "GpuTooHot", "GpuMemoryNearlyFull", "GpuIdle", "GpuNotReadable"),
        ),
        recorded.GPU,
        recorded=True,
    ),
    Drill(
        "machine",
        "memory low, a disk full, a disk that fills, a clock that is wrong",
        _at("drill-machine", "MachineMemoryLow", "DiskSpaceLow", "DiskWillFill", "ClockSkew"),
        recorded.MACHINE_FULL,
        recorded=True,
        seconds=210,
    ),
    Drill(
        "engine",
        "an engine that lets nobody in, one that throws requests out, a start that does not end, a "
        "loop that stands still",
        (
            *_at("drill-engine", "AdmissionLivelock"),
            *_at("drill-engine-1", "KvCachePreempting"),
            *_at("drill-engine-2", "ServerNotReady"),
            *_at("drill-engine-3", "EventLoopBlocked"),
        ),
        recorded.ENGINE,
        recorded=True,
    ),
    Drill(
        "ledger",
        "the bill does not add up, device time is unknown, steps are predicted badly",
        (
            *_at("drill-ledger", "LedgerError"),
            *_of("model", "GpuCostMissing"),
            *_at("drill-ledger-1", "StepModelInaccurate"),
        ),
        recorded.LEDGER,
        recorded=True,
    ),
    Drill(
        "spending",
        "a budget nearly spent, a request of over 1000 times the usual tokens",
        (*_of("tenant", "TenantBudgetSoft"), *_of("model", "RequestTokensExtreme")),
        recorded.BUDGET_AND_TOKENS,
        recorded=True,
    ),
    Drill(
        "spend-grows",
        "a model costs 2000 times what it did before",
        _of("model", "CostSpike"),
        history.spend_grows,
        recorded=True,
    ),
    Drill(
        "quantile-ceiling",
        "every observation lies above the last edge of its grid",
        _of("model", "QuantileIsACeiling"),
        recorded.CEILING,
        recorded=True,
    ),
    Drill(
        "telemetry",
        "errors of a hook, spans refused by the Collector and by a second backend, no exemplars",
        (
            *_at("drill-telemetry", "HookErrors"),
            # Summed over all that there is, so these have nothing of the drill's own.
            Expected("TelemetryRefused", {"signal": "spans"}),
            Expected("SecondBackendFailing", {"reason": "spans refused"}),
            Expected("ExemplarsMissing"),
        ),
        recorded.TELEMETRY,
        recorded=True,
    ),
    Drill(
        "watchers",
        "Prometheus skips evaluations, and found its write-ahead log corrupt",
        _at("drill-watchers", "RuleEvaluationMissed", "WalCorruption"),
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

"""/metrics of a fresh process that served known traffic; run as `python -m tests.unit.exposed`.

Its own process, because the registry is one per process and other tests fill it.
"""

import json
import statistics
import sys
import time
from decimal import Decimal
from itertools import product

from prometheus_client import REGISTRY, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from server.gateway.routes import Routes
from server.ledger.bill_metrics import Bookkeeper, keys
from server.ledger.books import BookFile
from server.ledger.calendar import Periods
from server.ledger.calendar_metrics import PeriodCollector
from server.ledger.device_ledger import Ledger
from server.pricing.budgets import MAX_WATCHED, Budget, Budgets
from server.pricing.request_cost import CostTracker
from server.record.request import GpuUse, Operation, Outcome, Phase, RequestRecord, Usage
from server.requests.saturation import Waiting
from server.signals import hook_errors, red
from server.signals.exposition import Shown, remember_texts, without_renaming
from server.signals.labels import Bounded
from server.signals.process import ProcessCollector
from tests.unit.helpers import entry, in_force

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
USAGE = Usage(input_tokens=100, cached_input_tokens=40, output_tokens=20)
GPU = GpuUse(10**9, 27_777, 100, 20, (1, 1))


def record(model: str, tenant: str, outcome: Outcome, reason: str) -> RequestRecord:
    known = model != "other"
    return RequestRecord(
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        tenant=tenant,
        model=model,
        operation=Operation.CHAT,
        outcome=outcome,
        reason=reason,
        method="POST",
        route="/v1/chat/completions",
        status_code=200,
        stream=True,
        started_ns=1_790_000_000_000_000_000,
        duration_seconds=1.0,
        time_to_first_token_seconds=0.3 if known else None,
        time_per_output_token_seconds=0.03 if known else None,
        phases=tuple(Phase(name, 0.0, 0.1) for name in red.PHASES if known),
        usage=USAGE if known else Usage(),
        finish_reasons=("stop",),
        response_id=None,
        error_type=None,
        gpu=GPU if known else None,
        retry=True,
    )


def serve(models: list[str], tenants: list[str]) -> None:
    """Every tenant ends a request on every model in every way there is, the unknown
    included: an unknown model never reaches the engine."""
    watched = tenants[:MAX_WATCHED]
    costs = CostTracker(in_force(entry("*", "0.10", "0.05", "0.40")), watched)
    hook_errors.create_label_sets()
    red.create_label_sets(models, tenants, Routes(["generate"], tokenize=False).operations)
    costs.create_label_sets(models, tenants)
    costs.create_gpu_label_sets(models)
    Waiting().create_label_sets([*models, "other"])
    everyone = product([*models, "other"], [*tenants, "other"], red.ways())
    for model, tenant, (outcome, reason) in everyone:
        if reason in (red.BY_ENGINE if model == "other" else red.BEFORE_MODEL):
            continue
        ended = record(model, tenant, outcome, reason)
        red.observe(ended)
        costs.observe(ended, Decimal(42))


def register(models: list[str], tenants: list[str]) -> None:
    """What is read at the scrape, every tenant with budgets for the day and the month."""
    REGISTRY.register(ProcessCollector())
    ledger = Ledger(0, lambda: 3_600_000)
    known = tuple(keys([*models, "other"], [*tenants, "other"]))
    REGISTRY.register(Bookkeeper(ledger, BookFile(None), Periods(), lambda: known))
    budget = Budget(day=Decimal(1), month=Decimal(20))
    budgets = Budgets(tenants=dict.fromkeys(tenants, budget))
    REGISTRY.register(PeriodCollector(Periods(), budgets))


def main() -> None:
    """Print how many series and milliseconds /metrics has with so many tenants and models."""
    disable_created_metrics()
    remember_texts()
    tenants, models, *rounds = (int(text) for text in sys.argv[1:])
    names = (
        [f"model-{n}" for n in range(models)],
        list(Bounded(f"tenant-{n}" for n in range(tenants)).values),
    )
    register(*names)
    serve(*names)
    encode, _kind = choose_encoder(without_renaming(OPENMETRICS))
    times = []
    for _ in range(*(rounds or [5])):
        start = time.process_time()
        text = encode(Shown()).decode()
        times.append(1000 * (time.process_time() - start))
    series = sum(not line.startswith("#") for line in text.splitlines())
    print(
        json.dumps(
            {"series": series, "milliseconds": min(times), "median": statistics.median(times)}
        )
    )


if __name__ == "__main__":
    main()

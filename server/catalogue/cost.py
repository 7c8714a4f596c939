"""The metrics of cost: by the price list, by device time, and the bill that both are held against.

Every amount is in microdollars, millionths of a dollar; inside, the ledger counts whole nanodollars
(docs/cost.md). The price list and device time are two measures of the same work: they are never
added to each other.
"""

from server.catalogue.grids import COST_MICRODOLLARS, COST_PER_1K_MICRODOLLARS
from server.catalogue.record import Kind, Method, Metric

_NO_DEVICE_PRICE = "no price is known for the device, or vLLM runs a scheduler of its own"

REQUEST_COST = Metric(
    "llm_request_cost_microdollars",
    Kind.HISTOGRAM,
    "microdollars",
    "Microdollars a request cost by the price list.",
    Method.COST,
    ("model",),
    COST_MICRODOLLARS,
)
REQUEST_COST_PER_1K = Metric(
    "llm_request_cost_microdollars_per_1k_tokens",
    Kind.HISTOGRAM,
    "microdollars per 1000 output tokens",
    "Microdollars per 1000 output tokens of one request, by the price list.",
    Method.COST,
    ("model",),
    COST_PER_1K_MICRODOLLARS,
)
COST = Metric(
    "llm_cost_microdollars_total",
    Kind.COUNTER,
    "microdollars",
    "Microdollars spent by the price list.",
    Method.COST,
    ("model", "outcome"),
)
TENANT_COST = Metric(
    "llm_tenant_cost_microdollars_total",
    Kind.COUNTER,
    "microdollars",
    "The same microdollars by tenant.",
    Method.COST,
    ("tenant",),
)
UNPRICED = Metric(
    "llm_unpriced_requests_total",
    Kind.COUNTER,
    "requests",
    "Requests that used tokens of a model without a price: their cost is absent, not 0.",
    Method.COST,
    ("model",),
)
PER_1K_EXCLUDED = Metric(
    "llm_cost_per_1k_excluded_total",
    Kind.COUNTER,
    "requests",
    "Priced requests left out of the cost per 1000 output tokens, and why.",
    Method.COST,
    ("model", "reason"),
)
WASTED_COST = Metric(
    "llm_wasted_cost_microdollars_total",
    Kind.COUNTER,
    "microdollars",
    "Microdollars by the price list that bought no whole answer: aborted, failed, truncated, or "
    "retried (a caller's retry that then succeeded: the same work paid again).",
    Method.COST,
    ("model", "waste"),
)
CACHE_SAVINGS = Metric(
    "llm_cache_savings_microdollars_total",
    Kind.COUNTER,
    "microdollars",
    "Microdollars by the price list that cached input tokens cost less than uncached ones.",
    Method.COST,
    ("model",),
)
WATCHED_COST = Metric(
    "llm_watched_tenant_cost_microdollars",
    Kind.HISTOGRAM,
    "microdollars",
    "llm_request_cost_microdollars of the tenants marked `watch` in the budgets file.",
    Method.COST,
    ("tenant",),
    COST_MICRODOLLARS,
    absent="no tenant is marked `watch`",
)
REQUEST_GPU_COST = Metric(
    "llm_request_gpu_cost_microdollars",
    Kind.HISTOGRAM,
    "microdollars",
    "Microdollars a request cost by its share of the measured device time.",
    Method.COST,
    ("model",),
    COST_MICRODOLLARS,
    absent=_NO_DEVICE_PRICE,
)
REQUEST_GPU_COST_PER_1K = Metric(
    "llm_request_gpu_cost_microdollars_per_1k_tokens",
    Kind.HISTOGRAM,
    "microdollars per 1000 output tokens",
    "Microdollars per 1000 output tokens of one request, by device time.",
    Method.COST,
    ("model",),
    COST_PER_1K_MICRODOLLARS,
    absent=_NO_DEVICE_PRICE,
)
WATCHED_GPU_COST = Metric(
    "llm_watched_tenant_gpu_cost_microdollars",
    Kind.HISTOGRAM,
    "microdollars",
    "llm_request_gpu_cost_microdollars of the tenants marked `watch` in the budgets file.",
    Method.COST,
    ("tenant",),
    COST_MICRODOLLARS,
    absent="no tenant is marked `watch`",
)
GPU_COST = Metric(
    "llm_gpu_cost_microdollars_total",
    Kind.COUNTER,
    "microdollars",
    "Microdollars of device time that requests used, whatever their outcome.",
    Method.COST,
    ("model", "outcome"),
    absent=_NO_DEVICE_PRICE,
)
TENANT_GPU_COST = Metric(
    "llm_tenant_gpu_cost_microdollars_total",
    Kind.COUNTER,
    "microdollars",
    "The same microdollars of device time by tenant.",
    Method.COST,
    ("tenant",),
    absent=_NO_DEVICE_PRICE,
)
GPU_COST_MISSING = Metric(
    "llm_gpu_cost_missing_requests_total",
    Kind.COUNTER,
    "requests",
    "Requests that used the engine and whose device time is not known: their cost is absent.",
    Method.COST,
    ("model",),
)
BILL = Metric(
    "llm_bill_microdollars_total",
    Kind.COUNTER,
    "microdollars",
    "What the devices cost since the books were opened, over restarts, by what it bought: "
    "requests, idle, start_up, stall, lost; the sum and llm_bill_open_microdollars are the whole "
    "bill. Priced when it is settled: a request that runs over a change of price pays the new one.",
    Method.COST,
    ("part",),
    absent=_NO_DEVICE_PRICE,
)
BILL_OPEN = Metric(
    "llm_bill_open_microdollars",
    Kind.GAUGE,
    "microdollars",
    "Device time of requests that are not yet recorded: in no part of the bill yet.",
    Method.COST,
    absent=_NO_DEVICE_PRICE,
)
BILL_CARRIED = Metric(
    "llm_bill_carried_microdollars",
    Kind.GAUGE,
    "microdollars",
    "What llm_bill_microdollars_total began with in this process: counted by those before it, and "
    "lost with them.",
    Method.COST,
    ("part",),
    absent=_NO_DEVICE_PRICE,
    unused="`make cost-audit` subtracts it before it compares the bill with the clock",
)
GPU_COST_CARRIED = Metric(
    "llm_gpu_cost_carried_microdollars",
    Kind.GAUGE,
    "microdollars",
    "What the shown llm_gpu_cost_microdollars_total (by model) and "
    "llm_tenant_gpu_cost_microdollars_total (by tenant) began with in this process.",
    Method.COST,
    ("by",),
    absent=_NO_DEVICE_PRICE,
    unused="`make cost-audit` subtracts it before it compares requests with their log records",
)
DEVICE_PRICE = Metric(
    "llm_device_price_microdollars_per_second",
    Kind.GAUGE,
    "microdollars per second",
    "What a second of all the engine's devices costs now, by the price file.",
    Method.COST,
    absent=_NO_DEVICE_PRICE,
)
LEDGER_ERROR = Metric(
    "llm_ledger_error_seconds",
    Kind.GAUGE,
    "seconds",
    "Device time by the engine's clock less what the ledger accounted for: 0, to the nanosecond.",
    Method.COST,
    absent=_NO_DEVICE_PRICE,
)
LEDGER_AGE = Metric(
    "llm_ledger_age_seconds",
    Kind.GAUGE,
    "seconds",
    "How old the books are that /metrics shows: what is shown is what is kept on disk, so this "
    "grows while the state folder cannot be written.",
    Method.COST,
    absent="vLLM runs a scheduler of its own",
)
STEP_MODEL_ERROR = Metric(
    "llm_step_model_error_ratio",
    Kind.GAUGE,
    "ratio",
    "Median of |predicted - measured| / measured over the last 256 engine steps, each predicted "
    "before it was learned from: shares of a step are as true as this is small.",
    Method.COST,
    absent=f"{_NO_DEVICE_PRICE}; or no step was measured yet",
)
STEP_MODEL_VERSION = Metric(
    "llm_step_model_version",
    Kind.GAUGE,
    "version",
    "Which coefficients share the steps now: 0 is the stored prior, each fit adopted adds one.",
    Method.COST,
    absent=_NO_DEVICE_PRICE,
    unused="the number is for reading beside a request's log line",
)
PRICES_VALID = Metric(
    "llm_price_file_valid",
    Kind.GAUGE,
    "boolean",
    "1 while the price file as it stands is in force; 0 when a change of it was refused.",
    Method.COST,
)
SPEND_TODAY = Metric(
    "llm_spend_today_microdollars",
    Kind.GAUGE,
    "microdollars",
    "Spent by the price list since 0:00 UTC, over restarts.",
    Method.COST,
)
SPEND_MONTH = Metric(
    "llm_spend_month_microdollars",
    Kind.GAUGE,
    "microdollars",
    "Spent by the price list since the first of the month, 0:00 UTC, over restarts.",
    Method.COST,
)
BILL_TODAY = Metric(
    "llm_bill_today_microdollars",
    Kind.GAUGE,
    "microdollars",
    "What the devices cost since 0:00 UTC, over restarts. Dated when it is settled: a request that "
    "runs over midnight is of the day on which it ended.",
    Method.COST,
    absent=_NO_DEVICE_PRICE,
)
BILL_MONTH = Metric(
    "llm_bill_month_microdollars",
    Kind.GAUGE,
    "microdollars",
    "What the devices cost since the first of the month, 0:00 UTC, over restarts. Dated when it is "
    "settled: a request that runs over midnight is of the day on which it ended.",
    Method.COST,
    absent=_NO_DEVICE_PRICE,
)
BUDGET_DAY_USED = Metric(
    "llm_tenant_budget_day_used_ratio",
    Kind.GAUGE,
    "ratio",
    "Share of a tenant's daily budget that it spent since 0:00 UTC, by the price list.",
    Method.COST,
    ("tenant",),
    absent="no tenant has a daily budget",
)
BUDGET_MONTH_USED = Metric(
    "llm_tenant_budget_month_used_ratio",
    Kind.GAUGE,
    "ratio",
    "Share of a tenant's monthly budget that it spent since the first, by the price list.",
    Method.COST,
    ("tenant",),
    absent="no tenant has a monthly budget",
)
BUDGET_SOFT = Metric(
    "llm_budget_soft_ratio",
    Kind.GAUGE,
    "ratio",
    "Share of a budget above which the soft alert comes; above 1 comes the hard one.",
    Method.COST,
    absent="there is no budgets file",
)

COST_METRICS: tuple[Metric, ...] = tuple(
    value for value in globals().values() if isinstance(value, Metric)
)
"""Every metric above: instruments, and what a ledger holds, which collectors read."""

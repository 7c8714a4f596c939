"""The metrics of cost: of requests by the price list and by device time, spend and budgets.

Every amount is in microdollars, millionths of a dollar; inside, the ledger counts whole nanodollars
(docs/cost.md). The price list and device time are two measures of the same work: they are never
added to each other.
"""

from server.catalogue.device_bill import NO_DEVICE_PRICE
from server.catalogue.grids import COST_MICRODOLLARS, COST_PER_1K_MICRODOLLARS
from server.catalogue.record import Kind, Method, Metric

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
    absent=NO_DEVICE_PRICE,
)
REQUEST_GPU_COST_PER_1K = Metric(
    "llm_request_gpu_cost_microdollars_per_1k_tokens",
    Kind.HISTOGRAM,
    "microdollars per 1000 output tokens",
    "Microdollars per 1000 output tokens of one request, by device time.",
    Method.COST,
    ("model",),
    COST_PER_1K_MICRODOLLARS,
    absent=NO_DEVICE_PRICE,
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
    absent=NO_DEVICE_PRICE,
)
TENANT_GPU_COST = Metric(
    "llm_tenant_gpu_cost_microdollars_total",
    Kind.COUNTER,
    "microdollars",
    "The same microdollars of device time by tenant.",
    Method.COST,
    ("tenant",),
    absent=NO_DEVICE_PRICE,
)
GPU_COST_MISSING = Metric(
    "llm_gpu_cost_missing_requests_total",
    Kind.COUNTER,
    "requests",
    "Requests that used the engine and whose device time is not known: their cost is absent.",
    Method.COST,
    ("model",),
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
"""Every metric above: instruments, and what the calendar and the ledger hold."""

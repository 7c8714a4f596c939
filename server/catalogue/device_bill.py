"""The metrics of the bill that costs are held against: all of the devices' time, and its truth.

Every amount is in microdollars, millionths of a dollar; inside, the ledger counts whole nanodollars
(docs/cost.md).
"""

from server.catalogue.record import Kind, Method, Metric

NO_DEVICE_PRICE = "no price is known for the device, or vLLM runs a scheduler of its own"

BILL = Metric(
    "llm_bill_microdollars_total",
    Kind.COUNTER,
    "microdollars",
    "What the devices cost since the books were opened, over restarts, by what it bought: "
    "requests, idle, start_up, stall, lost; the sum and llm_bill_open_microdollars are the whole "
    "bill. Priced when it is settled: a request that runs over a change of price pays the new one.",
    Method.COST,
    ("part",),
    absent=NO_DEVICE_PRICE,
)
BILL_OPEN = Metric(
    "llm_bill_open_microdollars",
    Kind.GAUGE,
    "microdollars",
    "Device time of requests that are not yet recorded: in no part of the bill yet.",
    Method.COST,
    absent=NO_DEVICE_PRICE,
)
BILL_CARRIED = Metric(
    "llm_bill_carried_microdollars",
    Kind.GAUGE,
    "microdollars",
    "What llm_bill_microdollars_total began with in this process: counted by those before it, and "
    "lost with them.",
    Method.COST,
    ("part",),
    absent=NO_DEVICE_PRICE,
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
    absent=NO_DEVICE_PRICE,
    unused="`make cost-audit` subtracts it before it compares requests with their log records",
)
DEVICE_PRICE = Metric(
    "llm_device_price_microdollars_per_second",
    Kind.GAUGE,
    "microdollars per second",
    "What a second of all the engine's devices costs now, by the price file.",
    Method.COST,
    absent=NO_DEVICE_PRICE,
)
LEDGER_ERROR = Metric(
    "llm_ledger_error_seconds",
    Kind.GAUGE,
    "seconds",
    "Device time by the engine's clock less what the ledger accounted for: 0, to the nanosecond.",
    Method.COST,
    absent=NO_DEVICE_PRICE,
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
    absent=f"{NO_DEVICE_PRICE}; or no step was measured yet",
)
STEP_MODEL_VERSION = Metric(
    "llm_step_model_version",
    Kind.GAUGE,
    "version",
    "Which coefficients share the steps now: 0 is the stored prior, each fit adopted adds one.",
    Method.COST,
    absent=NO_DEVICE_PRICE,
)
BILL_TODAY = Metric(
    "llm_bill_today_microdollars",
    Kind.GAUGE,
    "microdollars",
    "What the devices cost since 0:00 UTC, over restarts. Dated when it is settled: a request that "
    "runs over midnight is of the day on which it ended.",
    Method.COST,
    absent=NO_DEVICE_PRICE,
)
BILL_MONTH = Metric(
    "llm_bill_month_microdollars",
    Kind.GAUGE,
    "microdollars",
    "What the devices cost since the first of the month, 0:00 UTC, over restarts. Dated when it is "
    "settled: a request that runs over midnight is of the day on which it ended.",
    Method.COST,
    absent=NO_DEVICE_PRICE,
)

BILL_METRICS: tuple[Metric, ...] = tuple(
    value for value in globals().values() if isinstance(value, Metric)
)
"""Every metric above, which collectors read from the ledger."""

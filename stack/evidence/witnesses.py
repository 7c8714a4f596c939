"""What the witnesses of bill and spend say, and where they part."""

from collections.abc import Iterable
from dataclasses import dataclass

from stack.errors import Fault
from stack.evidence.scrape import Sample, total
from stack.stores.protocol import LogRecord

TOLERANCE = 0.001
"""Share of the bill that the clock may differ by: a step in flight, a hundredth of a second."""
_PARTS = ("requests", "idle", "start_up", "stall", "lost")


@dataclass(frozen=True)
class Books:
    """What one scrape says, in microdollars, without what earlier processes had counted."""

    parts: dict[str, float]
    carried: dict[str, float]
    models: float
    tenants: float
    open: float
    price: float
    error_seconds: float
    missing: float
    seconds: float
    age: float

    @property
    def bill(self) -> float:
        """Everything that this process has cost."""
        return sum(self.parts.values()) + self.open

    @property
    def clock(self) -> float:
        """What the time from the process's start to the books' moment costs at the price of now."""
        return (self.seconds - self.age) * self.price


def _by(samples: list[Sample], name: str, label: str) -> dict[str, float]:
    return {sample.labels[label]: sample.value for sample in samples if sample.name == name}


def read_books(samples: list[Sample], seconds: float) -> Books:
    """The books of a page that was read `seconds` after its process started; raises Fault."""
    whole = _by(samples, "llm_bill_microdollars_total", "part")
    carried = _by(samples, "llm_bill_carried_microdollars", "part")
    shown = _by(samples, "llm_gpu_cost_carried_microdollars", "by")
    if not whole:
        raise Fault(
            "no cost by device time is accounted for",
            "give the device a price in server/prices.yaml; `make logs PART=server` says which",
        )
    return Books(
        parts={part: whole[part] - carried.get(part, 0.0) for part in _PARTS},
        carried=carried,
        models=total(samples, "llm_gpu_cost_microdollars_total") - shown.get("model", 0.0),
        tenants=total(samples, "llm_tenant_gpu_cost_microdollars_total") - shown.get("tenant", 0.0),
        open=total(samples, "llm_bill_open_microdollars"),
        price=total(samples, "llm_device_price_microdollars_per_second"),
        error_seconds=total(samples, "llm_ledger_error_seconds"),
        missing=total(samples, "llm_gpu_cost_missing_requests_total"),
        seconds=seconds,
        # What is shown is what was kept, which a slow disk makes older than the page.
        age=total(samples, "llm_ledger_age_seconds"),
    )


@dataclass(frozen=True)
class Counted:
    """What the counters of one scrape say of requests; amounts in microdollars."""

    requests: float
    tenants_requests: float
    tokens: float
    tenants_tokens: float
    spend: float
    tenants_spend: float
    unpriced: float


def read_counted(samples: list[Sample]) -> Counted:
    """The counters of a page, which begin at 0 with the server's process."""
    return Counted(
        requests=total(samples, "llm_requests_total"),
        tenants_requests=total(samples, "llm_tenant_requests_total"),
        tokens=total(samples, "llm_tokens_total"),
        tenants_tokens=total(samples, "llm_tenant_tokens_total"),
        spend=total(samples, "llm_cost_microdollars_total"),
        tenants_spend=total(samples, "llm_tenant_cost_microdollars_total"),
        unpriced=total(samples, "llm_unpriced_requests_total"),
    )


@dataclass(frozen=True)
class Logged:
    """The same, by the log records."""

    requests: int
    tokens: float
    spend: float
    device: tuple[float, ...]


def read_logged(records: Iterable[LogRecord]) -> Logged:
    """The sums over the records of requests; a late settlement has device time only."""
    every = list(records)
    finished = [record for record in every if record.event == "request_finished"]
    tokens = [_number(r, name) for r in finished for name in ("input_tokens", "output_tokens")]
    device = (r.fields.get("gpu_cost_microdollars") for r in every)
    return Logged(
        requests=len(finished),
        tokens=sum(tokens),
        spend=sum(_number(record, "cost_microdollars") for record in finished),
        device=tuple(float(str(cost)) for cost in device if cost is not None),
    )


def _number(record: LogRecord, name: str) -> float:
    value = record.fields.get(name)
    return 0.0 if value is None else float(str(value))


@dataclass(frozen=True)
class Finding:
    """One comparison of requests, tokens or microdollars, and by how much they may differ."""

    what: str
    found: float
    expected: float
    allowed: float

    @property
    def good(self) -> bool:
        """True when the two agree."""
        return abs(self.found - self.expected) <= self.allowed


def findings(books: Books, logged: float, stored: float | None) -> list[Finding]:
    """Hold the books against every other witness; microdollars."""
    requests, whole = books.parts["requests"], sum(books.parts.values())
    exact = 0.001
    found = [
        Finding("bill = clock x price", books.bill, books.clock, TOLERANCE * books.clock),
        Finding("requests = sum over models", books.models, requests, exact),
        Finding("requests = sum over tenants", books.tenants, requests, exact),
        Finding("requests = sum over log records", logged, requests, exact),
        Finding("ledger error, ns", books.error_seconds * 1e9, 0.0, 0.0),
    ]
    if stored is not None:
        # Prometheus is a scrape behind, at most.
        behind = 10.0 * books.price
        every = whole + sum(books.carried.values())
        found.append(Finding("Prometheus, a scrape behind", stored, every, behind))
    return found


def findings_of_requests(counted: Counted, logged: Logged) -> list[Finding]:
    """Hold requests, tokens and spend by the price list against each other."""
    exact, rounding = 0.0, 1e-9 * counted.spend + 0.001
    return [
        Finding("requests = log records", logged.requests, counted.requests, exact),
        Finding("requests = sum over tenants", counted.tenants_requests, counted.requests, exact),
        Finding("tokens = sum over log records", logged.tokens, counted.tokens, exact),
        Finding("tokens = sum over tenants", counted.tenants_tokens, counted.tokens, exact),
        Finding("spend = sum over log records", logged.spend, counted.spend, rounding),
        Finding("spend = sum over tenants", counted.tenants_spend, counted.spend, rounding),
    ]

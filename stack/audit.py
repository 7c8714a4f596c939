"""`make cost-audit`: the bill once more, from the clock, the log records and the counters.

Three witnesses that share no code with the ledger: the kernel's start time of the process, the
request_finished record of every request in the log store, and what Prometheus stored.
"""

import time
from dataclasses import dataclass
from urllib.parse import quote

from stack import uptime
from stack.errors import Fault
from stack.http import get_json
from stack.say import paint, say, ticking, title
from stack.scrape import METRICS, Sample, scrape
from stack.settings import Settings
from stack.signals import PROMETHEUS
from stack.stores.protocol import LogStore, StoreError, Window
from stack.stores.running import stores

TOLERANCE = 0.001
"""Share of the bill that the clock may differ by: a step in flight, a hundredth of a second."""
SETTLE_SECONDS = 30.0
_EVENTS = ("request_finished", "request_settled_late")
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

    @property
    def bill(self) -> float:
        """Everything that this process has cost."""
        return sum(self.parts.values()) + self.open

    @property
    def clock(self) -> float:
        """What the time since the process started costs at the price of now."""
        return self.seconds * self.price


def _sum(samples: list[Sample], name: str) -> float:
    return sum(sample.value for sample in samples if sample.name == name)


def _by_part(samples: list[Sample], name: str) -> dict[str, float]:
    return {sample.labels["part"]: sample.value for sample in samples if sample.name == name}


def read_books(samples: list[Sample], seconds: float) -> Books:
    """The books of a page that was read `seconds` after its process started; raises Fault."""
    total = _by_part(samples, "llm_bill_microdollars_total")
    carried = _by_part(samples, "llm_bill_carried_microdollars")
    if not total:
        raise Fault(
            "no cost by device time is accounted for",
            "give the device a price in server/prices.yaml; `make logs PART=server` says which",
        )
    return Books(
        parts={part: total[part] - carried.get(part, 0.0) for part in _PARTS},
        carried=carried,
        models=_sum(samples, "llm_gpu_cost_microdollars_total") - carried.get("requests", 0.0),
        tenants=_sum(samples, "llm_tenant_gpu_cost_microdollars_total")
        - carried.get("requests", 0.0),
        open=_sum(samples, "llm_bill_open_microdollars"),
        price=_sum(samples, "llm_device_price_microdollars_per_second"),
        error_seconds=_sum(samples, "llm_ledger_error_seconds"),
        missing=_sum(samples, "llm_gpu_cost_missing_requests_total"),
        # What is shown is what was kept, which a slow disk makes older than the page.
        seconds=seconds - _sum(samples, "llm_ledger_age_seconds"),
    )


def _books() -> Books:
    before = time.monotonic()
    samples = scrape()
    if samples is None:
        raise Fault(f"{METRICS} does not answer", "is the stack up? `make up`")
    # The page was made somewhere between question and answer.
    middle = (time.monotonic() - before) / 2
    pid = uptime.server_pid()
    if pid is not None:
        return read_books(samples, uptime.seconds(pid) - middle)
    # Not a process of this machine: its own word for its start, which is rounded to a second.
    return read_books(samples, time.time() - _sum(samples, "process_start_time_seconds"))


def _stored() -> float | None:
    query = 'sum(llm_bill_microdollars_total{job="llm-server"})'
    answer = get_json(f"{PROMETHEUS}/api/v1/query?query={quote(query)}")
    rows = answer["data"]["result"] if answer else []
    return float(rows[0]["value"][1]) if rows else None


@dataclass(frozen=True)
class Finding:
    """One comparison: what should be equal, by how many microdollars it may differ."""

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
        total = whole + sum(books.carried.values())
        found.append(Finding("Prometheus, a scrape behind", stored, total, behind))
    return found


def _dollars(microdollars: float) -> str:
    return f"{microdollars:>14,.3f} µ$"


def _show(books: Books, requests: int) -> None:
    title(f"Bill since the server started, {books.seconds:,.2f} s ago")
    for part, amount in books.parts.items():
        say(f"  {part:<10} {_dollars(amount)}  {amount / books.bill:>6.1%}")
    say(f"  {'open':<10} {_dollars(books.open)}  {books.open / books.bill:>6.1%}")
    say(f"  {'bill':<10} {_dollars(books.bill)}  at {books.price * 3600 / 1e6:g} $/h")
    for part, amount in books.carried.items():
        if amount:
            say(f"  beside it, of the processes before: {part} {_dollars(amount).strip()}")
    say(f"  {requests:,} requests with device time; {books.missing:g} whose device time is missing")


def _told(store: LogStore, since: float) -> list[float]:
    """What each request cost by device time, by the records since the Unix time; microdollars."""
    try:
        found = store.events(_EVENTS, Window(since, time.time() + 60))
        costs = (record.fields.get("gpu_cost_microdollars") for record in found)
        return [float(str(cost)) for cost in costs if cost is not None]
    except StoreError as error:
        raise Fault(str(error), f"see `make logs PART={store.name}`") from error


def _agree(store: LogStore) -> tuple[Books, int, list[Finding]]:
    """Look until log records and counters speak of the same requests, or time is up."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        books = _books()
        told = _told(store, time.time() - books.seconds)
        found = findings(books, sum(told), _stored())
        if all(each.good for each in found) or time.monotonic() > until:
            return books, len(told), found
        time.sleep(1.0)


def audit(settings: Settings) -> int:
    """Print the bill and every comparison; returns 0 when all agree; raises Fault."""
    with ticking("reading the clock, the log records and the counters"):
        books, requests, found = _agree(stores(settings).logs)
    _show(books, requests)
    title("Held against other witnesses")
    for each in found:
        mark = paint("✓", "green") if each.good else paint("✗", "red")
        off = each.found - each.expected
        share = f" {off / each.expected:+.4%}" if each.expected else ""
        say(f"  {mark} {each.what:<32} {each.found:>16,.3f}  {each.expected:>16,.3f}{share}")
    if not all(each.good for each in found):
        raise Fault("the bill does not add up", "see docs/cost.md#when-the-audit-fails")
    return 0

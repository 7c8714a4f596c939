"""`make cost-audit`: bill and spend once more, from the clock, the log records and the counters.

Three witnesses that share no code with the ledger: the kernel's start time of the process, the
request_finished record of every request in the log store, and what Prometheus stored.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from stack.errors import Fault
from stack.evidence import uptime
from stack.evidence.scrape import METRICS, scrape, total
from stack.evidence.witnesses import (
    Books,
    Counted,
    Finding,
    Logged,
    findings,
    findings_of_requests,
    read_books,
    read_counted,
    read_logged,
)
from stack.http import get_json
from stack.request.signals import PROMETHEUS
from stack.say import paint, say, ticking, title
from stack.settings import Settings
from stack.stores.protocol import LogStore, StoreError, Window
from stack.stores.running import stores

SETTLE_SECONDS = 30.0
_EVENTS = ("request_finished", "request_settled_late")


def _page() -> tuple[Books, Counted]:
    before = time.monotonic()
    samples = scrape()
    if samples is None:
        raise Fault(f"{METRICS} does not answer", "is the stack up? `make up`")
    # The page was made somewhere between question and answer.
    middle = (time.monotonic() - before) / 2
    # Its own word for its start, which is rounded to a second, and follows a clock that is set.
    seconds = time.time() - total(samples, "process_start_time_seconds")
    pid = uptime.server_pid(seconds)
    if pid is not None:
        seconds = uptime.seconds(pid) - middle
    return read_books(samples, seconds), read_counted(samples)


def _stored() -> float | None:
    query = 'sum(llm_bill_microdollars_total{job="llm-server"})'
    answer = get_json(f"{PROMETHEUS}/api/v1/query?query={quote(query)}")
    rows = answer["data"]["result"] if answer else []
    return float(rows[0]["value"][1]) if rows else None


def _dollars(microdollars: float) -> str:
    return f"{microdollars:>14,.3f} µ$"


def _show(books: Books, counted: Counted, requests: int) -> None:
    title(f"Bill since the server started, {books.seconds:,.2f} s ago")
    for part, amount in books.parts.items():
        say(f"  {part:<10} {_dollars(amount)}  {amount / books.bill:>6.1%}")
    say(f"  {'open':<10} {_dollars(books.open)}  {books.open / books.bill:>6.1%}")
    say(f"  {'bill':<10} {_dollars(books.bill)}  at {books.price * 3600 / 1e6:g} $/h")
    if any(books.carried.values()):
        say(f"  {'before it':<10} {_dollars(sum(books.carried.values()))}  by earlier processes")
    say(f"  {requests:,} requests with device time; {books.missing:g} whose device time is missing")
    say(f"  {counted.unpriced:g} requests of models without a price: in no spend")


def _logged(store: LogStore, since: float) -> Logged:
    """What the records since the Unix time say."""
    try:
        return read_logged(store.events(_EVENTS, Window(since, time.time() + 60)))
    except StoreError as error:
        raise Fault(str(error), f"see `make logs PART={store.name}`") from error


@dataclass(frozen=True)
class Audit:
    """One look at all witnesses."""

    books: Books
    counted: Counted
    logged: Logged
    device: list[Finding]
    requests: list[Finding]

    @property
    def good(self) -> bool:
        """True when all agree."""
        return all(each.good for each in (*self.device, *self.requests))


def _look(store: LogStore) -> Audit:
    books, counted = _page()
    logged = _logged(store, time.time() - books.seconds)
    device = findings(books, sum(logged.device), _stored())
    return Audit(books, counted, logged, device, findings_of_requests(counted, logged))


def _agree(store: LogStore) -> Audit:
    """Look until log records and counters speak of the same requests, or time is up."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        found = _look(store)
        if found.good or time.monotonic() > until:
            return found
        time.sleep(1.0)


def audit(settings: Settings) -> int:
    """Print the bill and every comparison; returns 0 when all agree; raises Fault."""
    with ticking("reading the clock, the log records and the counters"):
        found = _agree(stores(settings).logs)
    _show(found.books, found.counted, len(found.logged.device))
    _compare("The bill held against other witnesses", found.device)
    _compare("Requests and their spend held against other witnesses", found.requests)
    if not found.good:
        raise Fault("the numbers do not add up", "see docs/cost.md#when-the-audit-fails")
    return 0


def _compare(what: str, found: Iterable[Finding]) -> None:
    title(what)
    for each in found:
        mark = paint("✓", "green") if each.good else paint("✗", "red")
        off = each.found - each.expected
        share = f" {off / each.expected:+.4%}" if each.expected else ""
        say(f"  {mark} {each.what:<32} {each.found:>16,.3f}  {each.expected:>16,.3f}{share}")

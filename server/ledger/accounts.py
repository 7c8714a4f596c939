"""What is awaited of each HTTP request's engine requests, and what of them was settled."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from server.record.request import GpuUse, RequestRecord
from server.wire.report import Settlement

LATE_NS = 30_000_000_000
"""How long a settlement is awaited for a request that is recorded already."""


@dataclass(slots=True)
class Account:
    """One HTTP request's engine requests, and what was settled of them."""

    awaited: set[str] = field(default_factory=set)
    settled: dict[str, Settlement] = field(default_factory=dict)
    nanodollars: int = 0
    record: RequestRecord | None = None
    recorded: int = 0
    changed: Callable[[], None] = lambda: None

    @property
    def complete(self) -> bool:
        """True when nothing is awaited any more."""
        return not self.awaited

    def use(self, priced: bool) -> GpuUse | None:
        """The sum over its engine requests; None where it had none or one is not settled."""
        if not self.settled or not self.complete:
            return None
        every = tuple(self.settled.values())
        return GpuUse(
            nanoseconds=sum(each.nanoseconds for each in every),
            nanodollars=self.nanodollars if priced else None,
            prefill_tokens=sum(each.prefill_tokens for each in every),
            decode_tokens=sum(each.decode_tokens for each in every),
            model_versions=(
                min(each.first_version for each in every),
                max(each.last_version for each in every),
            ),
        )


class Accounts:
    """Those of all HTTP requests that are not done with; not thread-safe, the ledger is.

    An account is done with, and leaves, when its request is recorded and nothing is awaited of it.
    """

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._owners: dict[str, str] = {}
        self._calls = 0

    @property
    def busy(self) -> bool:
        """True while the engine may have a request, or is about to get one."""
        return bool(self._calls or self._owners)

    @property
    def empty(self) -> bool:
        """True when every request is done with."""
        return not self._accounts

    @property
    def nanodollars(self) -> int:
        """What was settled of requests that are not done with."""
        return sum(account.nanodollars for account in self._accounts.values())

    def open(self, request_id: str, changed: Callable[[], None]) -> Account:
        """The account of an HTTP request; `changed` is for whoever settles something of it."""
        account = self._accounts.setdefault(request_id, Account())
        account.changed = changed
        return account

    def begin_call(self) -> None:
        """A request is about to be handed to the engine."""
        self._calls += 1

    def end_call(self, request_id: str, engine_ids: Iterable[str]) -> None:
        """It was handed over, as these engine requests, which are awaited from here on."""
        self._calls -= 1
        account = self._accounts.get(request_id)
        if account is None:
            return
        for engine_id in engine_ids:
            if engine_id not in account.settled:
                account.awaited.add(engine_id)
                self._owners[engine_id] = request_id

    def settle(
        self, settlement: Settlement, request_id: str | None, nanodollars: int
    ) -> Account | None:
        """Whose it was, the one who awaited it or else `request_id`; None: of nobody we know."""
        owner = self._owners.pop(settlement.request_id, request_id)
        account = self._accounts.get(owner) if owner else None
        if owner is None or account is None:
            return None
        account.awaited.discard(settlement.request_id)
        account.settled[settlement.request_id] = settlement
        account.nanodollars += nanodollars
        if account.complete and account.record is not None:
            self._leave(owner)
        return account

    def record(self, request_id: str, record: RequestRecord, now: int) -> Account | None:
        """The request is recorded; its account if it is done with, None where it is not."""
        account = self._accounts.get(request_id)
        if account is None:
            return None
        account.record, account.recorded = record, now
        return self._leave(request_id) if account.complete else None

    def late(self, now: int) -> list[Account]:
        """Those that were recorded too long ago to be awaited; they are done with."""
        late = [
            request_id
            for request_id, account in self._accounts.items()
            if account.record is not None and now - account.recorded > LATE_NS
        ]
        return [self._leave(request_id) for request_id in late]

    def _leave(self, request_id: str) -> Account:
        account = self._accounts.pop(request_id)
        for engine_id in account.awaited:
            self._owners.pop(engine_id, None)
        return account

    def give_up(self) -> tuple[int, list[Account]]:
        """Await nothing any more; the nanodollars that had been settled, and whose they were."""
        nanodollars, given_up = self.nanodollars, list(self._accounts.values())
        self._owners.clear()
        for account in given_up:
            account.awaited.clear()
            account.settled.clear()
            account.nanodollars = 0
        # The others are to be recorded yet.
        self._accounts = {
            request_id: account
            for request_id, account in self._accounts.items()
            if account.record is None
        }
        return nanodollars, given_up

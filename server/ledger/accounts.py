"""What one HTTP request's engine requests have used, until it is recorded."""

from collections.abc import Callable
from dataclasses import dataclass, field

from server.record.request import GpuUse, RequestRecord
from server.wire.report import Settlement


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

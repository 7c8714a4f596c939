"""The budgets file: what a tenant may spend a day and a month, and whom to watch closely."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from server.pricing import checks
from server.settings import SettingsError, read_yaml
from server.signals.labels import MAX_VALUES, Bounded, refuse_other

MAX_WATCHED = 10
"""Each watched tenant has two histograms of its own, 54 series of what /metrics may hold."""

_SOFT_FIX = "must be a share of the budget between 0 and 1, such as 0.8"


@dataclass(frozen=True, slots=True)
class Budget:
    """US dollars that one tenant may spend, None where there is no limit."""

    day: Decimal | None = None
    month: Decimal | None = None
    watch: bool = False


@dataclass(frozen=True, slots=True)
class Budgets:
    """Every tenant's budget; above the share `soft` of one the soft alert comes."""

    soft: Decimal = Decimal("0.8")
    tenants: Mapping[str, Budget] = field(default_factory=dict)

    @property
    def watched(self) -> tuple[str, ...]:
        """The tenants whose requests have histograms of cost of their own."""
        return tuple(name for name, budget in self.tenants.items() if budget.watch)


def _dollars(where: str, entry: Mapping[object, object], key: str) -> Decimal | None:
    if key not in entry:
        return None
    return checks.amount(where, key, entry[key], "must be US dollars, above 0", above_zero=True)


def _budget(where: str, entry: object) -> Budget:
    if not isinstance(entry, dict) or not entry:
        raise SettingsError(where, "day", "set at least one of day, month and watch")
    checks.refuse_unknown(where, entry, ("day", "month", "watch"))
    watch = entry.get("watch", False)
    if not isinstance(watch, bool):
        raise SettingsError(where, "watch", "must be true or false")
    return Budget(_dollars(where, entry, "day"), _dollars(where, entry, "month"), watch)


def _soft(path: Path, data: Mapping[object, object]) -> Decimal:
    soft = checks.amount(str(path), "soft", data.get("soft", "0.8"), _SOFT_FIX, above_zero=True)
    if soft >= 1:
        raise SettingsError(str(path), "soft", _SOFT_FIX)
    return soft


def read_budgets(path: Path | None) -> Budgets:
    """Read the budgets file; none, or an empty one, means no budgets.

    Raises SettingsError naming file, tenant, key and fix.
    """
    data = None if path is None else read_yaml(path, "BUDGETS")
    if path is None or data is None:
        return Budgets()
    tenants = data.get("tenants") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(tenants, dict):
        raise SettingsError(str(path), "tenants", "must map tenants to their budgets")
    checks.refuse_unknown(str(path), data, ("soft", "tenants"))
    for name in tenants:
        refuse_other(f"{path}: tenants", str(name), str(name))
    entries = {str(name): _budget(f"{path}: tenants.{name}", one) for name, one in tenants.items()}
    found = Budgets(_soft(path, data), entries)
    if len(found.watched) > MAX_WATCHED:
        fix = f"{len(found.watched)} tenants are watched: leave it to {MAX_WATCHED}"
        raise SettingsError(f"{path}: tenants", "watch", fix)
    return found


def check_tenants(path: Path | None, budgets: Budgets, names: Sequence[str]) -> None:
    """Raise SettingsError for the first budget of a tenant whose spending is not known."""
    counted = Bounded(names).values
    for name in budgets.tenants:
        if name not in names:
            fix = "there is no such tenant in the file that LLM_SERVER_KEYS names"
            raise SettingsError(f"{path}: tenants", name, fix)
        if name not in counted:
            fix = f"only the first {MAX_VALUES} tenants are counted by name, this one as `other`"
            raise SettingsError(f"{path}: tenants", name, fix)


def main() -> int:
    """Return 0 when the budgets file is sound, else 1 with what is wrong on stderr."""
    return checks.judge(read_budgets, "python -m server.pricing.budgets", __doc__, None)


if __name__ == "__main__":
    sys.exit(main())

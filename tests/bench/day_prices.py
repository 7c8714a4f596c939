"""The price file and the budgets of the synthetic day, as an operator would have them."""

from decimal import Decimal
from pathlib import Path

from server.pricing.budgets import Budget, Budgets
from server.pricing.price_file import PriceFile
from server.pricing.request_cost import CostTracker
from tests.bench.day_requests import MODELS, TENANTS

_PRICES = (("0.50", "0.25", "2.00"), ("0.10", "0.05", "0.40"))
_ENTRY = """\
  - model: {}
    from: 2020-01-01
    source: chosen for a benchmark
    input: {}
    cached_input: {}
    output: {}
"""
BUDGETS = Budgets(
    tenants={name: Budget(Decimal(20), Decimal(400), watch=name in TENANTS[:2]) for name in TENANTS}
)


def tracker(folder: Path) -> CostTracker:
    """The real cost tracker over a price file of the day's models, written into the folder."""
    path = folder / "prices.yaml"
    entries = [_ENTRY.format(name, *each) for name, each in zip(MODELS, _PRICES, strict=True)]
    path.write_text("".join(["currency: USD\nprices:\n", *entries]))
    return CostTracker(PriceFile(path), BUDGETS.watched)

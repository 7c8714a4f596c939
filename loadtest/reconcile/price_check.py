"""Holds the cost on each record against its tokens and the price list."""

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from loadtest.reconcile import findings
from loadtest.reconcile.findings import Remark, held
from loadtest.reconcile.joined import Joined, count, number
from server.pricing.price_list import PriceList, read_prices
from server.settings import SettingsError
from stack.settings import Settings
from stack.stores.protocol import LogRecord, Span


def price_list(settings: Settings) -> PriceList | str:
    """The price list as it stands, or in words why it cannot be read."""
    named = settings.values.get("LLM_SERVER_PRICES") or "server/prices.yaml"
    return _read(settings.repo / named)


def _read(path: Path) -> PriceList | str:
    try:
        return read_prices(path)
    except (OSError, SettingsError) as error:
        return f"the price list cannot be read: {error}"


def cost_of(record: LogRecord, span: Span, prices: PriceList) -> Decimal | None:
    """Microdollars of the record's tokens on the day (UTC) that the request began.

    None where it used no token or its model has no price. The span names the model that ran and
    the moment of the start; a record has neither.
    """
    cached, output = count(record, "cached_input_tokens"), count(record, "output_tokens")
    uncached = count(record, "input_tokens") - cached
    if not (uncached or cached or output):
        return None
    day = datetime.datetime.fromtimestamp(span.start_ns / 1e9, datetime.UTC).date()
    model = span.attributes.get("gen_ai.response.model") or record.fields.get("model", "")
    price = prices.model_price(str(model), day)
    if price is None:
        return None
    return uncached * price.input + cached * price.cached_input + output * price.output


def costs(requests: Sequence[Joined]) -> Mapping[str, float]:
    """Microdollars by trace id, by the server's record, of those that have a cost."""
    found = ((r.row.trace_id, r.record) for r in requests)
    named = ((trace, record.fields) for trace, record in found if record)
    known = ((trace, number(fields, "cost_microdollars")) for trace, fields in named)
    return {trace: cost for trace, cost in known if cost is not None}


def of_costs(requests: Sequence[Joined], prices: PriceList | str) -> list[Remark]:
    """Each record's cost against tokens x price."""
    both = [(r.record, r.span) for r in requests]
    pairs = [(record, span) for record, span in both if record and span]
    if isinstance(prices, str):
        return [Remark(findings.UNTOLD, f"tokens x price is compared with no cost: {prices}")]
    wrong = list(_wrong(pairs, prices))
    return [held("costs that are tokens x price, both or neither known", len(pairs), wrong)]


def _wrong(pairs: Sequence[tuple[LogRecord, Span]], prices: PriceList) -> Iterator[str]:
    for record, span in pairs:
        due, said = cost_of(record, span, prices), number(record.fields, "cost_microdollars")
        # A double of the server's exact decimal, written as text and read again.
        if (due is None) != (said is None) or not math.isclose(due or 0, said or 0, rel_tol=1e-12):
            yield f"{span.trace_id} {said} µ$, by tokens x price {due}"

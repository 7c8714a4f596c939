"""A month's bill as rows under the column names of FOCUS 1.2, the FinOps Foundation's.

Own columns begin with `x_`, as it asks. Amounts are decimals of nine places, since a bill is whole
nanodollars; no row is a sum of others, so that a spreadsheet's own sum is the bill.
"""

import csv
import datetime
import io
import json
from decimal import Decimal

from stack.upkeep.month import IN_FLIGHT, REQUESTS, UNKNOWN, Bill, Line

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NANO = Decimal(10) ** -9
_ABOUT = {
    REQUESTS: "Device time of requests",
    "idle": "Device time without a request",
    "start_up": "Device time from the server's start until it answered",
    "stall": "Device time of steps beyond what their tokens explain",
    "lost": "Device time of requests that a dying server took along",
    IN_FLIGHT: "Settled in this month and recorded in the next, less the same of the month before",
    UNKNOWN: "Booked by a release that did not keep whose it was",
}
TEXTS = ("SubAccountId", "SubAccountName", "ResourceId", "ResourceName")
"""The columns that hold a name that somebody chose."""


def dollars(nanodollars: int) -> str:
    """Nanodollars as dollars, exactly."""
    return f"{nanodollars * _NANO:.9f}"


def _moment(month: str, later: int) -> str:
    year, number = divmod(int(month[:4]) * 12 + int(month[5:]) - 1 + later, 12)
    return datetime.datetime(year, number + 1, 1, tzinfo=datetime.UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )


def _row(month: str, line: Line) -> dict[str, str | int | None]:
    begin, end = _moment(month, 0), _moment(month, 1)
    named = {"tenant": line.tenant, "model": line.model, "part": line.part}
    return {
        "BillingPeriodStart": begin,
        "BillingPeriodEnd": end,
        "ChargePeriodStart": begin,
        "ChargePeriodEnd": end,
        "ChargeCategory": "Usage",
        "ChargeDescription": _ABOUT[line.part],
        "BilledCost": dollars(line.nanodollars),
        "EffectiveCost": dollars(line.nanodollars),
        "BillingCurrency": "USD",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": "LLM inference",
        "SubAccountId": line.tenant or None,
        "SubAccountName": line.tenant or None,
        "ResourceId": line.model or None,
        "ResourceName": line.model or None,
        "ResourceType": "Model" if line.model else None,
        "Tags": json.dumps({key: name for key, name in named.items() if name}),
        "x_CostPart": line.part,
        "x_BilledNanodollars": line.nanodollars,
        "x_PriceListCost": None if line.listed is None else dollars(line.listed),
    }


def rows(bill: Bill) -> list[dict[str, str | int | None]]:
    """The bill's lines; None where there is nothing to say."""
    return [_row(bill.month, line) for line in bill.lines]


def to_csv(bill: Bill) -> str:
    """The rows as CSV; a name that a spreadsheet would take for a formula begins with `'`."""
    out = io.StringIO()
    found = rows(bill)
    writer = csv.DictWriter(out, [*found[0]], lineterminator="\r\n")
    writer.writeheader()
    for row in found:
        writer.writerow({column: _cell(column, value) for column, value in row.items()})
    return out.getvalue()


def _cell(column: str, value: str | int | None) -> str | int | None:
    dangerous = column in TEXTS and isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if dangerous else value


def to_json(bill: Bill) -> str:
    """The rows with their proof; amounts are text, since a reader's floats would round them."""
    proof = [
        {"what": each.what, "summed_nanodollars": each.summed, "kept_nanodollars": each.kept}
        for each in bill.checks
    ]
    document = {
        "month": bill.month,
        "focus": "1.2, names of columns",
        "adds_up": bill.adds_up,
        "bill_nanodollars": bill.nanodollars,
        "proof": proof,
        "notes": list(bill.notes),
        "rows": rows(bill),
    }
    return json.dumps(document, indent=1) + "\n"

"""How answers become a table: the widths of its columns, and Grafana's transformations in order."""

from collections.abc import Mapping
from typing import TypeAlias

Columns: TypeAlias = Mapping[str, tuple[str, str]]
"""A table's columns in their order: the answer's field, and its heading and unit."""
Step: TypeAlias = tuple[str, dict[str, object]]

_TEXT = ("string", "dateTimeAsIsoNoDateIfToday")

HEIGHT = 12
"""Grid rows of a table that shows its heading and ten rows."""
WIDTHS = {
    "Alert": 220,
    "Burn rate": 105,
    "Cost": 80,
    "Device": 80,
    "Duration": 95,
    "In": 56,
    "Instance": 115,
    "Lasts": 90,
    "Left": 85,
    "List": 110,
    "Model": 110,
    "Objective": 195,
    "Out": 56,
    "Outcome": 96,
    "Part": 115,
    "Reason": 130,
    "Requests": 95,
    "Running": 200,
    "Said": 155,
    "Severity": 80,
    "Since": 155,
    "Slots": 75,
    "Start": 155,
    "Tenant": 85,
    "Time": 155,
    "Tokens in": 95,
    "Tokens out": 105,
    "Trace": 294,
    "Waiting": 200,
    "Window": 75,
}
"""Pixels that a column needs by its heading, for that, the arrow of a sorted one, and its cells.

Of 20,000 random trace ids 3 are wider. A column without a width would take 150 at least.
"""


GROWING = {"Instance", "Model", "Part", "Reason", "Running", "Tenant", "Waiting"}
"""Texts of any length, which take what room is left: each as much of it as the others.

Where a share is less than one of them needs, the table is wider than its panel, whatever the others
could spare: what needs much is not among them.
"""


def width(heading: str) -> tuple[str, int]:
    """Return the setting that gives a column its width, or its least one, and the pixels."""
    return "custom.minWidth" if heading in GROWING else "custom.width", WIDTHS[heading]


def of_samples(columns: Columns, queries: int) -> list[Step]:
    """Return the steps for samples, joined by their labels, or for the spans of a search."""
    merge: list[Step] = [("merge", {})] if queries > 1 else []
    return [*merge, _organize(columns)]


def of_lines(columns: Columns, by: str, rows: int) -> list[Step]:
    """Return the steps for log lines: the first `rows` by the field `by`, largest first.

    The fields of a line are the text of its labels; `merge` drops lines that two queries found.
    """
    numbers = [name for name, (_, unit) in columns.items() if unit not in _TEXT]
    conversions = [{"targetField": name, "destinationType": "number"} for name in numbers]
    return [
        (
            "extractFields",
            {"source": "labels", "format": "auto", "replace": True, "keepTime": True},
        ),
        ("merge", {}),
        ("convertFieldType", {"fields": {}, "conversions": conversions}),
        ("sortBy", {"fields": {}, "sort": [{"field": by, "desc": True}]}),
        ("limit", {"limitField": rows}),
        _organize(columns),
    ]


def _organize(columns: Columns) -> Step:
    options: dict[str, object] = {
        # Excluding Time here would exclude every field of times.
        "excludeByName": {},
        "includeByName": dict.fromkeys(columns, True),
        "indexByName": {name: index for index, name in enumerate(columns)},
        "renameByName": {name: heading for name, (heading, _) in columns.items()},
    }
    return "organize", options

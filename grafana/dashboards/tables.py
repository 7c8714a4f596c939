"""How answers become a table's rows: Grafana's transformations, by name and options, in order."""

from collections.abc import Mapping
from typing import TypeAlias

Columns: TypeAlias = Mapping[str, tuple[str, str]]
"""A table's columns in their order: the answer's field, and its heading and unit."""
Step: TypeAlias = tuple[str, dict[str, object]]

_TEXT = ("string", "dateTimeAsIsoNoDateIfToday")


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

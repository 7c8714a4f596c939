"""What a PromQL expression reads: the names and, of each selector, the labels."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`")
_RANGE_OR_COMMENT = re.compile(r"\[[^\]]*\]|#[^\n]*")
_GROUPING = re.compile(
    r"(?<![\w:])(by|without|on|ignoring|group_left|group_right)(?![\w:])\s*(\([^)]*\))?"
)
_SELECTOR = re.compile(r"(?<![\w.$:{])([A-Za-z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\()(?![\w:])")
_GROUPED = re.compile(r"(?<![\w:])(?:by|on|group_left|group_right)\s*\(([^)]*)\)")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "atan2", "start", "end"}


@dataclass(frozen=True, slots=True)
class Selector:
    """One series name and the labels that its matchers name."""

    name: str
    labels: tuple[str, ...]


def selectors(expression: str) -> Iterator[Selector]:
    """Every selector of the expression, in its order; Grafana's variables may stand in it."""
    text = _RANGE_OR_COMMENT.sub(" ", _STRING.sub('""', expression))
    for found in _SELECTOR.finditer(_GROUPING.sub(" ", text)):
        name, matchers = found[1], found[2] or ""
        if name.lower() not in _WORDS:
            yield Selector(name, tuple(_LABEL.findall(matchers)))


def grouped(expression: str) -> set[str]:
    """The labels that the expression groups or joins by."""
    text = _RANGE_OR_COMMENT.sub(" ", _STRING.sub('""', expression))
    return {label.strip() for each in _GROUPED.findall(text) for label in each.split(",")} - {""}

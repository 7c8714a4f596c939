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
_JOB = re.compile(r"(?<!\w)job\s*=\s*\"(\d+)\"")
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "atan2", "start", "end"}


@dataclass(frozen=True, slots=True)
class Selector:
    """One series name, the labels that its matchers name, and the value that `job` must equal."""

    name: str
    labels: tuple[str, ...]
    job: str = ""


def selectors(expression: str) -> Iterator[Selector]:
    """Every selector of the expression, in its order; Grafana's variables may stand in it."""
    strings: list[str] = []

    def keep(found: re.Match[str]) -> str:
        # By number: what stands in a string is neither a name nor a brace.
        strings.append(found[0][1:-1])
        return f'"{len(strings) - 1}"'

    text = _RANGE_OR_COMMENT.sub(" ", _STRING.sub(keep, expression))
    for found in _SELECTOR.finditer(_GROUPING.sub(" ", text)):
        name, matchers = found[1], found[2] or ""
        if name.lower() not in _WORDS:
            job = _JOB.search(matchers)
            value = strings[int(job[1])] if job else ""
            yield Selector(name, tuple(_LABEL.findall(matchers)), value)


def is_nameless(expression: str) -> bool:
    """True when a selector has no name outside its braces: whose series it reads cannot be seen."""
    text = _RANGE_OR_COMMENT.sub(" ", _STRING.sub('""', expression))
    before = (text[: found.start()].rstrip() for found in re.finditer(r"\{", text))
    return any(not re.search(r"[\w:$]$", each) for each in before)


def grouped(expression: str) -> set[str]:
    """The labels that the expression groups or joins by."""
    text = _RANGE_OR_COMMENT.sub(" ", _STRING.sub('""', expression))
    return {label.strip() for each in _GROUPED.findall(text) for label in each.split(",")} - {""}

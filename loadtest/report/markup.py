"""HTML from parts: all text is escaped but what a function here has made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias


class Safe(str):
    """Text that is HTML already."""

    __slots__ = ()


Part: TypeAlias = "Safe | str | int"


@dataclass(frozen=True)
class Column:
    """A table's column; numbers stand on the right, and the unit in the heading."""

    title: str
    is_number: bool = True


def html(part: Part) -> Safe:
    """The part as HTML."""
    return part if isinstance(part, Safe) else Safe(escape(str(part)))


def join(parts: Iterable[Part]) -> Safe:
    """The parts one after the other."""
    return Safe("".join(map(html, parts)))


def tag(name: str, *parts: Part, **attributes: str) -> Safe:
    """An element; an attribute's name may end in an underscore, which HTML does not see."""
    words = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Safe(f"<{name}{''.join(words)}>{join(parts)}</{name}>")


def link(words: str, url: str) -> Safe:
    """A link to a page of a store; only the words where there is none."""
    return tag("a", words, href=url, rel="noreferrer") if url else html(words)


def listed(lines: Iterable[Part]) -> Safe:
    """A list of lines."""
    return tag("ul", *(tag("li", line) for line in lines))


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Part]]) -> Safe:
    """A table whose rows each begin with what they are about; as wide as its place and no wider."""
    head = tag("tr", *(tag("th", c.title, scope="col", class_=_side(c)) for c in columns))
    body = (_row(columns, row) for row in rows)
    made = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", made, class_="wide", tabindex="0", role="region", aria_label=caption)


def _side(column: Column) -> str:
    return "number" if column.is_number else "text"


def _row(columns: Sequence[Column], row: Sequence[Part]) -> Safe:
    first, *rest = zip(columns, row, strict=True)
    head = tag("th", first[1], scope="row", class_=_side(first[0]))
    return tag("tr", head, *(tag("td", cell, class_=_side(column)) for column, cell in rest))

"""What a field of a log record may be, and how large: the console, OTLP and alertlog keep to it."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import islice

MAX_LINE = 32768
"""Characters of a console line, and of an OTLP body: people read far fewer, stores take more."""
MAX_TEXT = 1024
"""Characters of an attribute's text, or of a list as JSON: what is longer is for the body."""
MAX_FIELDS = 100
"""Attributes of a record: for one of more than 128 Loki refuses every record sent with it."""
MAX_SIZE = 49152
"""Characters of all attributes as JSON: Loki does the same above 64 KiB, resource included."""
MAX_NAME = 128
"""Bytes of an attribute's name: VictoriaLogs throws a record away for a longer one."""
_INT64 = 2**63
_LONGEST_NUMBER, _LONGEST_CHARACTER = 25, 12
"""Characters as JSON: -2.2250738585072014e-308 and less, and one beyond the 16-bit plane."""

Scalar = str | bool | int | float
Value = Scalar | Sequence[Scalar]
"""What OTLP has a type for and every store can show; a list holds one type only."""


def legal(value: object) -> Value | None:
    """The value in a type that OTLP has, as text where it has none; None for what is no value."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    scalar = _scalar(value)
    if scalar is not None:
        return scalar
    return _uniform(value) if isinstance(value, list | tuple) else _as_text(value)


def _scalar(value: object) -> Scalar | None:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return value
    # Above 64 bits the encoder raises, and the record loses the attribute.
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < _INT64 else None
    return float(value) if isinstance(value, float) and math.isfinite(value) else None


def _uniform(values: Sequence[object]) -> Value:
    # Each of them takes a character at least, so that more can never leave.
    items = [_scalar(value) for value in values[:MAX_TEXT]]
    known = [item for item in items if item is not None]
    same = len(known) == len(items) and len({type(item) for item in known}) <= 1
    return known if same else _as_text(values)


def _as_json(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _as_text(value: object) -> str:
    known = isinstance(value, Mapping | list | tuple)
    ways: tuple[Callable[[object], str], ...] = (_as_json, str) if known else (str,)
    for way in ways:
        try:
            return clean(way(value))
        # A log call must not fail because of what it was handed.
        except Exception:  # noqa: S112
            continue
    return type(value).__name__


def clean(text: str) -> str:
    """The text without lone surrogates: one of them, and the encoder loses the whole batch."""
    plain = type(text) is str and text.isascii()
    return text if plain else text.encode("utf-8", "replace").decode()


def fit(text: str, room: int) -> str:
    """The beginning of a text that takes at most so many characters as JSON."""
    text = text[:room]
    while (size := len(json.dumps(text))) > room:
        text = text[: len(text) * room // size]
    return text


def bounded(fields: Mapping[str, Value | None], room: int = MAX_SIZE) -> dict[str, Value]:
    """The first known fields that fit, each cut: what must not be missing stands first."""
    cut = {_name(name): _cut(value) for name, value in fields.items() if value is not None}
    most = sum(_most(name) + _most(value) + 4 for name, value in cut.items()) + 2
    # Written out only where it might not fit: of a request's line that is most of the work.
    if len(cut) <= MAX_FIELDS and (most <= room or len(json.dumps(cut)) <= room):
        return cut
    return _first(cut, room)


def _most(value: Value) -> int:
    """No fewer characters than the value takes as JSON."""
    if isinstance(value, str):
        return _LONGEST_CHARACTER * len(value) + 2
    if isinstance(value, int | float):
        return _LONGEST_NUMBER
    return sum(_most(each) + 2 for each in value) + 2


def _first(fields: Mapping[str, Value], room: int) -> dict[str, Value]:
    kept: dict[str, Value] = {}
    for name, value in islice(fields.items(), MAX_FIELDS):
        room -= len(json.dumps({name: value}))
        if room < 0:
            break
        kept[name] = value
    return kept


@lru_cache(MAX_FIELDS)
def _name(name: str) -> str:
    # Without a name it would be dropped, or taken for the body.
    return name.encode("utf-8", "replace")[:MAX_NAME].decode("utf-8", "ignore") or "_"


def _cut(value: Value) -> Value:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return value if isinstance(value, int | float) else _cut_list(value)


def _cut_list(values: Sequence[Scalar]) -> Sequence[Scalar]:
    if _most(values) <= MAX_TEXT or len(json.dumps(values)) <= MAX_TEXT:
        return values
    room = MAX_TEXT
    for index, value in enumerate(values):
        # The item, and the comma and space before it or the brackets.
        room -= len(json.dumps(value)) + 2
        if room < 0:
            return values[:index]
    return values

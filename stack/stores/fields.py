"""Types of a record's fields, which both log stores hand out as text: by the unit in its name."""

import json
import re

from stack.stores.protocol import Value

_NUMBER = re.compile(r".*_(seconds|tokens|microdollars|percent)|status_code|severity_number")
_LIST = re.compile(r"\[.*\]", re.DOTALL)
_BOOLEAN = {"true": True, "false": False}


def typed(name: str, text: str) -> Value:
    """The value as its writer had it; an id that happens to be digits stays text."""
    if _NUMBER.fullmatch(name):
        return _number(text)
    if _LIST.fullmatch(text):
        return _list(text)
    return _BOOLEAN.get(text, text)


def _number(text: str) -> Value:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _list(text: str) -> Value:
    try:
        return [str(one) for one in json.loads(text)]
    except ValueError:
        return text

"""Types of a record's fields, which both log stores hand out as text: by its name."""

import json
import re

from stack.stores.protocol import Value

_NUMBER = re.compile(
    r".*_(seconds|tokens|microdollars|percent|requests)|traces|status_code|severity_number"
)
_LISTS = ("finish_reasons", "gpu_model_versions", "trace_ids", "silent_processes")
_BOOLEANS = ("stream",)


def typed(name: str, text: str) -> Value:
    """The value as its writer had it; a name or an id that looks like a number stays text."""
    if _NUMBER.fullmatch(name):
        return _number(text)
    if name in _LISTS:
        return _list(text)
    return text == "true" if name in _BOOLEANS else text


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

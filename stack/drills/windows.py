"""Shortens the durations of a rule file, and nothing else of it.

A drill cannot wait for a window of three days. The map is logarithmic, so that the order of
windows stays, each holds at least four scrapes, and the longest is little over a minute. How old
a process has to be for its window to be full is such a duration, though PromQL writes a number.
"""

import math
import re
from collections.abc import Callable

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_DURATION = r"(?:\d+(?:ms|[smhdwy]))+"
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_KEY = re.compile(r"(?P<indent> *)(?P<dash>- +)?(?P<key>\w+):(?P<value>.*)", re.S)
_WINDOW = re.compile(rf"\[({_DURATION})(?::({_DURATION})?)?\]|\boffset\s+-?({_DURATION})")
_AGE = re.compile(
    r"(\btime\(\)\s*-\s*process_start_time_seconds(?:\{[^{}]*\})?\s*[<>]=?\s*)(\d+)\b"
)
_QUOTED = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)""")
_WHOLE = re.compile(rf"(\s*)({_DURATION})(\s*(?:#.*)?\n?)")
_GROUP = re.compile(r"^(  )- name: .*$", re.M)
_TIMES = ("for", "keep_firing_for", "interval", "query_offset")
_HOLDERS = ("groups", "rules")
"""Keys whose content is looked through; what stands in any other belongs to it as a whole."""

FLOOR_SECONDS = 20
EVALUATION_SECONDS = 5
KEPT_MINUTES = 5.0
STEP_SECONDS = 5


def seconds_of(duration: str) -> float:
    """A duration of Prometheus's (`1h30m`) in seconds."""
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(duration))


def shorten(duration: str) -> str:
    """The drill's duration: itself up to 20 s, 20 s up to 5 minutes, 5 s more a doubling."""
    seconds = seconds_of(duration)
    if seconds <= FLOOR_SECONDS:
        return duration
    doublings = max(0.0, math.log2(seconds / 60 / KEPT_MINUTES))
    return f"{FLOOR_SECONDS + round(STEP_SECONDS * doublings)}s"


def _step(duration: str) -> str:
    """The step of a subquery: not longer than an evaluation of the drill's, or a window has one."""
    return duration if seconds_of(duration) <= EVALUATION_SECONDS else f"{EVALUATION_SECONDS}s"


def _window(match: re.Match[str]) -> str:
    text = match.group(0)
    for group, change in ((3, shorten), (2, _step), (1, shorten)):
        if match.group(group) is not None:
            start, end = (edge - match.start() for edge in match.span(group))
            text = text[:start] + change(match.group(group)) + text[end:]
    return text


def _age(match: re.Match[str]) -> str:
    return match.group(1) + shorten(f"{match.group(2)}s").removesuffix("s")


def expression(text: str) -> str:
    """PromQL with shorter ranges, steps, offsets and ages of a process; what is in quotes stays."""
    quoted = iter(_QUOTED.findall(text))
    bare = _AGE.sub(_age, _WINDOW.sub(_window, _QUOTED.sub("\0", text)))
    return re.sub("\0", lambda _: next(quoted), bare)


def _whole(text: str) -> str:
    return _WHOLE.sub(lambda m: m.group(1) + shorten(m.group(2)) + m.group(3), text, count=1)


def _same(text: str) -> str:
    return text


def _of(key: str) -> Callable[[str], str]:
    """What is done to the value of a key."""
    return expression if key == "expr" else _whole if key in _TIMES else _same


def at_once(text: str) -> str:
    """A rule file whose groups look at now; the offset of them all is only read at a start."""
    return _GROUP.sub(r"\g<0>\n\g<1>  query_offset: 0s", text)


def rules(text: str) -> str:
    """A rule file with its durations shortened; every other character stays."""
    kept: list[str] = []
    owner = -1
    change: Callable[[str], str] = _same
    for line in text.splitlines(keepends=True):
        found, indent = _KEY.fullmatch(line), len(line) - len(line.lstrip(" "))
        if not line.strip() or line.lstrip().startswith("#"):
            kept.append(line)
        elif found and (owner < 0 or indent <= owner):
            # Behind a dash the key itself stands deeper, as do its neighbours in the mapping.
            own = len(found["indent"] + (found["dash"] or ""))
            key, value = found["key"], found["value"]
            owner, change = (-1, _same) if key in _HOLDERS else (own, _of(key))
            kept.append(line[: len(line) - len(value)] + change(value))
        else:
            kept.append(change(line))
    return "".join(kept)

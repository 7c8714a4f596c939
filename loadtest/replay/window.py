"""SINCE and UNTIL of a replay: so long ago, or a moment."""

import datetime
import re

from loadtest.target import SettingsError

_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_EARLIEST, _LATEST = -2_208_988_800.0, 32_503_680_000.0
"""The years 1900 to 2999: further off is a slip, and some of it no calendar can name."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def moment(variable: str, text: str, now: float) -> float:
    """Unix seconds of `1h` before now, or of a time in ISO 8601 (UTC); raises SettingsError."""
    at = _at(text, now)
    if at is None or not _EARLIEST <= at < _LATEST:
        fix = "say how long ago (90s, 30m, 1h, 2d), or a moment (2026-11-28T10:00:00Z)"
        raise SettingsError(f"{variable}: '{text}' is no time: {fix}")
    return at


def _at(text: str, now: float) -> float | None:
    if ago := _AGO.fullmatch(text):
        return now - float(ago[1]) * _SECONDS[ago[2]]
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp()


def named(at: float) -> str:
    """Unix seconds as `moment` reads them again."""
    utc = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")

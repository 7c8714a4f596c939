"""Numbers as the page says them; what is not known is said so, and is never 0."""

import time

UNKNOWN = "not known"


def whole(value: int | None) -> str:
    """A count, by thousands."""
    return UNKNOWN if value is None else f"{value:,}"


def ms(seconds: float | None) -> str:
    """Seconds as milliseconds, to a tenth."""
    return UNKNOWN if seconds is None else f"{seconds * 1000:,.1f}"


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def percent(share: float | None) -> str:
    """A share in percent, rounded down, so that 100 says all and not almost all."""
    return UNKNOWN if share is None else f"{int(share * 1e5 + 1e-6) / 1e3:.3f} %"


def clock(seconds: float) -> str:
    """Unix seconds as a date and a time of day, UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def met(value: bool | None) -> str:
    """An objective's verdict."""
    return {True: "met", False: "MISSED", None: "not measured"}[value]

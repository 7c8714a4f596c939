"""What boards are told by Prometheus and do not show, above all where the worst requests begin.

A histogram's buckets say exactly how many requests lie above each edge, so Loki is asked for the
lines above one of them: enough for a ranking, few enough to send
(docs/decisions/0012-worst-requests-are-lines.md).
"""

from grafana.dashboards.queries import SERVER
from grafana.dashboards.sdk import Variable, text_variable, told_variable

ENOUGH = 10
"""Requests that a ranking needs."""
NOWHERE = "1e9"
"""Seconds or microdollars that no request lies above."""


def slower() -> Variable:
    """Return the box whose seconds, when typed, take the place of `slow_edge`."""
    return text_variable("slower", "Slower than (s)")


def dearer() -> Variable:
    """Return the box whose microdollars, when typed, take the place of `dear_edge`."""
    return text_variable("dearer", "Dearer than (µ$)")


def slow_variables() -> list[Variable]:
    """Return `slow_edge` and `slow_next_edge` in seconds, of the requests that a board chooses."""
    scope = f'{SERVER}, model=~"$model", outcome=~"$outcome"'
    return _edges("slow", "gen_ai_server_request_duration_seconds", scope)


def dear_variables() -> list[Variable]:
    """Return `dear_edge` and `dear_next_edge` in microdollars, of all outcomes: it has no label."""
    return _edges("dear", "llm_request_cost_microdollars", f'{SERVER}, model=~"$model"')


def empty_variable(name: str, typed: str, text: str) -> Variable:
    """Return a variable that has the text while a reader has typed nothing into `typed`."""
    return told_variable(name, f"{_option(text)} unless on () ({_typed(typed)})")


def seconds_variable(name: str, least: int) -> Variable:
    """Return a variable that is the length of the time range in seconds, and `least` at least."""
    length = f"clamp_min(vector($__range_s), {least})"
    return told_variable(name, f'count_values("le", {length})', str(least))


def _edges(name: str, histogram: str, scope: str) -> list[Variable]:
    """The highest edge that enough requests lie above, or what was typed; and the next one."""
    above = _lying_above(histogram, scope)
    enough = f"{_typed(f'{name}er')} or on () bottomk(1, {above} >= {ENOUGH})"
    few = f"topk(1, {above} < {ENOUGH})"
    return [
        told_variable(f"{name}_edge", f"{enough} or on () {_option('0')}", "0"),
        told_variable(f"{name}_next_edge", f"{few} or on () {_option(NOWHERE)}", NOWHERE),
    ]


def _lying_above(histogram: str, scope: str) -> str:
    """How many requests of the range lie above each edge, by `le`."""
    every = f"scalar(sum(increase({histogram}_count{{{scope}}}[$__range])))"
    below = f'sum by (le) (increase({histogram}_bucket{{{scope}, le!="+Inf"}}[$__range]))'
    return f"({every} - {below})"


def _option(value: str) -> str:
    return f'label_replace(vector(1), "le", "{value}", "", "")'


def _typed(variable: str) -> str:
    # Without a text label_replace makes no label, and `unless` takes the sample away.
    return f"{_option(f'${variable}')} unless on (le) vector(1)"

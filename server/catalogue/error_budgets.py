"""Error budgets of the objectives in prometheus/slo.yaml, as recording rules.

`python -m server.catalogue` writes prometheus/rules/slo.yaml. Why not sloth, and why counters:
docs/decisions/0020-error-budgets.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.catalogue.own import REQUEST_DURATION
from server.catalogue.record import SERVER
from server.catalogue.slo import Threshold

_FAULTS = "server_error|timeout"
_ENDED = f"ok|{_FAULTS}"
"""Outcomes that availability counts: what a client spoiled or gave up says nothing of us."""
_MODEL = 'model={{ $labels.model | printf "%q" }}'


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective: its name as a label, and the PromQL of its two counters by instance and model.

    `spoken` ends the sentence "about 12 requests ..."; exemplars of the selector `worst` show one.
    """

    name: str
    threshold: Threshold
    requests: str
    bad: str
    spoken: str
    worst: str

    @property
    def budget(self) -> float:
        """The share of requests that may be bad."""
        if self.threshold.objective is None:
            return self.threshold.value
        return round(1 - self.threshold.objective, 9)


def objectives(thresholds: Mapping[str, Threshold]) -> tuple[Objective, ...]:
    """Every objective whose error budget is kept; the last only shows what is left."""
    return (
        _of_ends(thresholds["error_share"]),
        _of_histogram(thresholds["time_to_first_token"], "waited over {} for their first token"),
        _of_histogram(thresholds["time_per_output_token"], "took over {} per output token"),
        _of_histogram(thresholds["request_duration"], "took over {}", 'outcome="ok"'),
        _of_histogram(thresholds["cost_per_1k_output_tokens"], "cost over {} per 1000 tokens"),
    )


def _selector(series: str, *matchers: str) -> str:
    scope = ", ".join((f'job="{SERVER}"', *matchers))
    return f"{series}{{{scope}}}"


def _summed(series: str, *matchers: str) -> str:
    return f"sum by (instance, model) ({_selector(series, *matchers)})"


def _of_ends(threshold: Threshold) -> Objective:
    return Objective(
        "availability",
        threshold,
        requests=_summed(threshold.metric, f'outcome=~"{_ENDED}"'),
        bad=_summed(threshold.metric, f'outcome=~"{_FAULTS}"'),
        spoken="failed by our fault",
        worst=_selector(f"{REQUEST_DURATION.name}_bucket", _MODEL, f'outcome=~"{_FAULTS}"'),
    )


def _of_histogram(threshold: Threshold, spoken: str, *matchers: str) -> Objective:
    counted = _summed(f"{threshold.metric}_count", *matchers)
    good = _summed(f"{threshold.metric}_bucket", *matchers, f'le="{threshold.edge}"')
    return Objective(
        threshold.name,
        threshold,
        requests=counted,
        bad=f"{counted}\n- {good}",
        spoken=spoken.format(f"{threshold.value:g} {threshold.unit}"),
        worst=_selector(f"{threshold.metric}_bucket", _MODEL, *matchers),
    )


_RULES_HEAD = """\
# Generated from `server/catalogue/error_budgets.py` by `python -m server.catalogue`; do not edit.
# Error budgets, counted in requests. The recorded counters are raw counters added up, by instance
# so that a restart is a reset of that instance alone; an outage of Prometheus leaves no hole in
# what increase() says of them, as it would in a recorded share. Thresholds are edges of the grids,
# so a bad request is one that is above, with nothing interpolated; that a window's increase is
# extrapolated to its ends is the only estimate.
groups:
"""
_GROUP = "  - name: {name}\n{interval}    rules:\n"
_RECORD = """\
      - record: {name}
        expr: >-
{expr}
"""
_OBJECTIVE = """\
        labels:
          objective: {objective}
"""
_BURN = """\
model_objective:slo_bad_requests:increase{window}
/ (model_objective:slo_requests:increase{window} > 0)
/ on (objective) group_left () objective:slo_error_budget:ratio"""
_LEFT = """\
1 -
sum by (model, objective) (increase(instance_model_objective:slo_bad_requests:total[30d]))
/ (sum by (model, objective) (increase(instance_model_objective:slo_requests:total[30d])) > 0)
/ on (objective) group_left () objective:slo_error_budget:ratio"""
_EXHAUSTION = """\
3600 *
((model_objective:slo_budget_left:ratio_increase30d > 0)
* on (objective) group_left () objective:slo_error_budget:ratio
* on (model, objective)
sum by (model, objective) (increase(instance_model_objective:slo_requests:total[30d])))
/
((
model_objective:slo_bad_requests:increase1h
- on (model, objective)
(model_objective:slo_bad_requests:increase1h offset 30d
or 0 * model_objective:slo_bad_requests:increase1h)
)
- on (model, objective)
(
model_objective:slo_requests:increase1h
- on (model, objective)
(model_objective:slo_requests:increase1h offset 30d
or 0 * model_objective:slo_requests:increase1h)
)
* on (objective) group_left () objective:slo_error_budget:ratio
> 0)"""
"""What is left, over how much faster than the budget bad requests come: those of an hour enter the
window of 30 days, and those of an hour 30 days ago leave it, where there were any."""


def rules(thresholds: Mapping[str, Threshold]) -> str:
    """The whole of `prometheus/rules/slo.yaml`."""
    kept = objectives(thresholds)
    return (
        _RULES_HEAD
        + _GROUP.format(name="error-budget", interval="")
        + "".join(_counters(kept))
        + "".join(_windows(("5m", "15m", "30m", "1h", "2h", "6h")))
        + _GROUP.format(name="error-budget-days", interval="    interval: 1m\n")
        + "".join(_windows(("1d", "3d")))
        + "".join(_requests(window) for window in ("12h", "2d", "6d"))
        + _GROUP.format(name="error-budget-left", interval="    interval: 2m\n")
        + _record("model_objective:slo_budget_left:ratio_increase30d", _LEFT)
        + _record("model_objective:slo_budget_exhaustion:seconds", _EXHAUSTION)
    )


def _record(name: str, expression: str, objective: str = "") -> str:
    lines = "\n".join(f"          {line}" for line in expression.splitlines())
    labels = _OBJECTIVE.format(objective=objective) if objective else ""
    return _RECORD.format(name=name, expr=lines) + labels


def _counters(kept: tuple[Objective, ...]) -> Iterator[str]:
    for each in kept:
        yield _record("objective:slo_error_budget:ratio", f"vector({each.budget:g})", each.name)
    for each in kept:
        total = "instance_model_objective:slo_requests:total"
        yield _record(total, each.requests, each.name)
        bad = "instance_model_objective:slo_bad_requests:total"
        yield _record(bad, each.bad, each.name)


def _increase(counter: str, window: str) -> str:
    name = f"instance_model_objective:{counter}:total"
    expression = f"sum by (model, objective) (increase({name}[{window}]))"
    return _record(f"model_objective:{counter}:increase{window}", expression)


def _requests(window: str) -> str:
    return _increase("slo_requests", window)


def _windows(windows: tuple[str, ...]) -> Iterator[str]:
    for window in windows:
        yield _requests(window)
        yield _increase("slo_bad_requests", window)
        yield _record(f"model_objective:slo_burn:ratio{window}", _BURN.format(window=window))

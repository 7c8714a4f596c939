"""The alert ErrorBudgetBurn: pairs of windows over the error budgets, four rules in all.

`python -m server.catalogue` writes prometheus/alerts/slo.yaml; docs/decisions/0020-error-budgets.md
says why it asks what it asks.
"""

from collections.abc import Iterator, Mapping, Sequence

from server.catalogue.error_budgets import Objective, objectives
from server.catalogue.slo import Burn, Threshold

ALERT = "ErrorBudgetBurn"
LEAST_REQUESTS = 20
"""Requests of the short window below which one odd request is a share of its own."""
LEAST_BAD = 5
"""Bad requests of the long window that count where there are fewer than LEAST_REQUESTS."""
QUIET_REQUESTS = 240
"""Of twice the long window: below it a service is judged by its long window alone."""


_ALERTS_HEAD = """\
# Generated from `server/catalogue/burn_rates.py` by `python -m server.catalogue`; do not edit.
# An error budget is the share of requests that may be bad in 30 days; a burn rate of 1 uses it up
# in just that time. Cost has an alert of its own, CostPer1kOutputTokensHigh. Busy: both windows
# burn, and the short one holds enough requests to say so, or the long one enough bad ones. Quiet,
# which is few requests in twice the long window (what was busy must not become quiet on its way out
# of the window): the long window alone.
groups:
  - name: slo
    rules:
"""
_ALERT = """\
      - alert: ErrorBudgetBurn
        expr: >-
          model_objective:slo_burn:ratio{long}{{objective!="cost_per_1k_output_tokens"}}
          > {factor:g}
          and
          (
          model_objective:slo_burn:ratio{short} > {factor:g}
          and
          (model_objective:slo_requests:increase{short} >= {least}
          or model_objective:slo_bad_requests:increase{long} >= {bad})
          or
          model_objective:slo_bad_requests:increase{long} >= {bad}
          and
          model_objective:slo_requests:increase{twice} < {quiet}
          )
        labels:
          severity: {severity}
          team: serving
          window: {long}
        annotations:
          summary: >-
            {{{{ $labels.model }}}}: {{{{ $labels.objective }}}} burns its error budget
            {{{{ $value | printf "%.1f" }}}} times too fast
          description: >-
            In the last {long}{{{{ with printf
            "model_objective:slo_bad_requests:increase{long}{{model=%q, objective=%q}}"
            $labels.model $labels.objective | query }}}} about
            {{{{ . | first | value | printf "%.0f" }}}}{{{{ end }}}} requests {spoken}.
            {{{{ with printf
            "model_objective:slo_budget_left:ratio_increase30d{{model=%q, objective=%q}}"
            $labels.model $labels.objective | query }}}}Of 30 days' budget
            {{{{ . | first | value | humanizePercentage }}}} is left. {{{{ end }}}}Open the worst
            request's trace, then the runbook.
          value: >-
            {{{{ $value | printf "%.1f" }}}} times the pace that uses the budget up in 30 days
          threshold: "{factor:g} times, over {long} and {short} (few requests: over {long})"
          dashboard_url: >-
            http://127.0.0.1:3000/d/llm-overview?var-model={{{{ $labels.model | urlquery }}}}
          runbook_url: http://127.0.0.1:9095/runbooks/slo#errorbudgetburn
          exemplars: >-
            {worst}
"""


def alerts(thresholds: Mapping[str, Threshold], burns: Sequence[Burn]) -> str:
    """The whole of `prometheus/alerts/slo.yaml`."""
    watched = [each for each in objectives(thresholds) if each.threshold.alert == ALERT]
    return _ALERTS_HEAD + "\n".join(_alert(burn, watched) for burn in burns)


def _alert(burn: Burn, watched: Sequence[Objective]) -> str:
    return _ALERT.format(
        long=burn.long,
        short=burn.short,
        twice=burn.twice,
        factor=burn.factor,
        severity=burn.severity,
        least=LEAST_REQUESTS,
        bad=LEAST_BAD,
        quiet=QUIET_REQUESTS,
        spoken=_by_objective({each.name: each.spoken for each in watched}),
        worst=_by_objective({each.name: each.worst for each in watched}),
    )


def _by_objective(texts: Mapping[str, str]) -> str:
    """A template that says the text of the alert's own objective."""
    cases = [f'eq $labels.objective "{name}" }}}}{text}' for name, text in texts.items()]
    return "{{ if " + "{{ else if ".join(cases) + "{{ end }}"


def problems(thresholds: Mapping[str, Threshold], burns: Sequence[Burn]) -> Iterator[str]:
    """Objectives whose alert could never fire: not even if every request were bad."""
    most = max(burn.factor for burn in burns)
    for each in objectives(thresholds):
        if each.threshold.alert == ALERT and not 0 < each.budget * most < 1:
            yield (
                f"prometheus/slo.yaml: {each.threshold.name}: a budget of {each.budget:g} is never "
                f"burnt {most:g} times too fast: choose one above {1 - 1 / most:.3f} and below 1"
            )

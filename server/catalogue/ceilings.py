"""The alert QuantileIsACeiling, once for each histogram of which a board draws a p99.

Prometheus has no template for rules: a `le` must be written out, so `prometheus/alerts/red.yaml` is
made from the last edge of each grid, by `python -m server.catalogue`.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.utils import floatToGoString

from server.catalogue import ALL, MADE, Metric, own
from server.catalogue.record import SERVER, Method

_HEAD = """\
# Generated from `server/catalogue/ceilings.py` by `python -m server.catalogue`; do not edit.
# Guards of the measuring itself. Above its last edge a histogram only says "more": the quantile is
# then drawn as that edge, for ever, whatever really happens.
groups:
  - name: red
    rules:
"""
_RULE = """\
      - alert: QuantileIsACeiling
        expr: >-
          (
          sum by ({by}) (increase({name}_bucket{{job="{job}", le="{le}"}}[10m]))
          / sum by ({by}) (increase({name}_count{{job="{job}"}}[10m]))
          < 0.99
          )
          and
          sum by ({by}) (increase({name}_count{{job="{job}"}}[10m])) >= 20
        for: 1m
        keep_firing_for: 5m
        labels:
          severity: warning
          team: {team}
          metric: {name}
        annotations:
          summary: >-
            {{{{ $labels.{whose} }}}}: the p99 of {name}
            is a ceiling, not a measurement
          description: >-
            Only {{{{ $value | humanizePercentage }}}} of the last 10 minutes' observations are at
            or below its highest edge ({edge}), so boards draw that edge instead of the true p99.
            Read the true {what} in the traces, then extend the grid in server/catalogue/grids.py.
          value: "{{{{ $value | humanizePercentage }}}} at or below {edge}"
          threshold: 99 % at or below {edge}
          dashboard_url: "{board}"
          runbook_url: http://127.0.0.1:9095/runbooks/red#quantileisaceiling
"""
_EXEMPLARS = """\
          exemplars: >-
            {name}_bucket{{job="{job}", {labels}, le="+Inf"}}
"""
"""What lies above the last edge, and nothing else, has its exemplars in the bucket of infinity."""
_BOARD = "http://127.0.0.1:3000/d"
_SUMMED_OVER = ("outcome", "engine")
"""Labels that no board splits a quantile by."""


def alerts() -> str:
    """The whole of `prometheus/alerts/red.yaml`."""
    return _HEAD + "\n".join(map(_rule, _guarded()))


def _guarded() -> Iterator[Metric]:
    for metric in ALL:
        # The loop's lag has an alert of its own, far below its last edge: EventLoopLagHigh. A load
        # test wakes nobody, and its report has the exact times.
        guarded = metric.buckets and not metric.unused and metric is not own.EVENT_LOOP_LAG
        if guarded and metric.is_of_server:
            yield metric


def _rule(metric: Metric) -> str:
    by = [label for label in metric.labels if label not in _SUMMED_OVER]
    edge, what = _in_words(metric)
    rule = _RULE.format(
        name=metric.name,
        job=SERVER,
        le=floatToGoString(metric.buckets[-1]),
        by=", ".join(by),
        whose=by[0],
        edge=edge,
        what=what,
        team="cost" if metric.method is Method.COST else "serving",
        board=_board(metric, by[0]),
    )
    # vLLM's histograms carry no exemplar, ours all do.
    return rule + _exemplars(metric, by) if metric in MADE else rule


def _board(metric: Metric, whose: str) -> str:
    """The board that draws the metric, with the alert's model or tenant chosen."""
    board = "llm-cost" if metric.method is Method.COST else "llm-red"
    if whose == "tenant":
        board = "llm-bill"
    variable = whose.removesuffix("_name")
    return f"{_BOARD}/{board}?var-{variable}={{{{ $labels.{whose} | urlquery }}}}"


def _exemplars(metric: Metric, by: Iterable[str]) -> str:
    labels = ", ".join(f'{label}={{{{ $labels.{label} | printf "%q" }}}}' for label in by)
    return _EXEMPLARS.format(name=metric.name, job=SERVER, labels=labels)


def _in_words(metric: Metric) -> tuple[str, str]:
    """The last edge as one would say it, and what is counted by it."""
    edge = metric.buckets[-1]
    match metric.unit.split()[0]:
        case "seconds":
            return f"{edge:g} s", "times"
        case "microdollars":
            return f"{edge / 1e6:g} dollars", "costs"
        case _:
            return f"{edge / 1e6:g} million", "counts"

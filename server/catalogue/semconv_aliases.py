"""Our three metrics of the convention once more, under its label names, as recording rules.

`python -m server.catalogue` writes prometheus/optional/genai-semconv.yaml from the rows of
conventions.py. It is loaded by nobody who does not ask for it: it doubles these series.
"""

from collections.abc import Iterator

from server.catalogue import BY_SERIES, Metric
from server.catalogue.conventions import LABELS, METRICS
from server.catalogue.record import SERVER

JOB = "genai-semconv"
"""The job of the aliases: whatever asks for ours by its job sees none of them."""
PROVIDER = "vllm"
FINE = "ok"
"""The outcome that is no error: the convention's `error.type` is absent then."""
_RENAMED = {row.ours: row.name.replace(".", "_") for row in LABELS if row.ours}
_HEAD = f"""\
# Generated from `server/catalogue/semconv_aliases.py` by `python -m server.catalogue`; do not edit.
# Not loaded by default: for boards that were made for OpenTelemetry's convention and group by its
# labels. Why, how, and what such a board still cannot see: docs/conventions.md. The counters are
# copied one to one, so that a restart stays a reset; a recorded series carries no exemplars. Boards
# have to ask for job="{JOB}": the names are those of the originals.
groups:
  - name: {JOB}
    rules:
"""
_RULE = """\
      - record: {series}
        expr: >-
{expr}
        labels:
          gen_ai_provider_name: {provider}
          job: {job}
"""


def rules() -> str:
    """The whole of `prometheus/optional/genai-semconv.yaml`."""
    return _HEAD + "".join(_aliases())


def _aliases() -> Iterator[str]:
    for row in METRICS:
        metric = BY_SERIES[f"{row.ours}_count"]
        for series in metric.series:
            lines = "\n".join(f"          {line}" for line in _expression(series, metric))
            yield _RULE.format(series=series, expr=lines, provider=PROVIDER, job=JOB)


def _expression(series: str, metric: Metric) -> Iterator[str]:
    """The series by its new labels; nothing is added up, for each of ours becomes one."""
    replaced = list(_replaced(metric))
    yield f"sum without ({', '.join(metric.labels)}) ("
    yield "label_replace(" * len(replaced)
    yield f'{series}{{job="{SERVER}"}},'
    yield from (f"{arguments})," for arguments in replaced[:-1])
    yield f"{replaced[-1]}))"


def _replaced(metric: Metric) -> Iterator[str]:
    for label in metric.labels:
        new = _RENAMED[label]
        yield f'"{new}", "$1", "{label}", "(.+)"'
        if new == "error_type":
            yield f'"{new}", "", "{new}", "{FINE}"'

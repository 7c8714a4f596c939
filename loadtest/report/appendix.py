"""What stands below the figures: the worst requests, the alerts, the boards, how to repeat it."""

import base64
from collections.abc import Iterator

from loadtest.report import words
from loadtest.report.markup import Column, Part, Safe, html, join, link, listed, table, tag
from loadtest.report.result import Result
from loadtest.report.witnesses import Alert, Picture, Seen
from loadtest.report.worst import Worst

_WORST = (
    Column("trace id", False), Column("whole, ms"), Column("first token, ms"), Column("tokens out"),
    Column("due", False), Column("kind", False), Column("tenant", False), Column("stage"),
    Column("outcome", False), Column("ended as", False), Column("leads to", False),
)  # fmt: skip
_ALERTS = (
    Column("alert", False), Column("severity", False), Column("seen first", False),
    Column("seen last", False), Column("labels", False),
)  # fmt: skip


def worst(result: Result) -> Safe:
    """The requests that took longest, with links to their traces and records."""
    ranking = result.worst
    return join(
        [
            table("By the whole time", _WORST, map(_worst, ranking.by_seconds)),
            table("By the time to the first token", _WORST, map(_worst, ranking.by_ttft)),
        ]
    )


def _worst(worst: Worst) -> tuple[Part, ...]:
    row = worst.row
    links = [link("trace", worst.trace), ", ", link("logs", worst.logs)]
    return (
        tag("code", row.trace_id),
        words.ms(row.seconds),
        "–" if row.ttft_seconds is None else words.ms(row.ttft_seconds),
        "–" if row.output_tokens is None else words.whole(row.output_tokens),
        words.clock(row.intended_start_ns / 1e9),
        row.kind,
        row.tenant,
        row.stage,
        row.outcome,
        row.ended_as,
        join(links) if worst.trace else "no store known",
    )


def alerts(seen: Seen) -> Safe:
    """The alerts that fired during the run; says so where nobody could tell."""
    if seen.alerts is None:
        return tag("p", "Not known: Prometheus did not tell.", class_="missed")
    looked = f"every {seen.step:g} s; Prometheus watched {words.percent(seen.watched)} of the run"
    if not seen.alerts:
        return tag("p", f"None, looked for {looked}.")
    return table(f"Looked for {looked}", _ALERTS, map(_alert, seen.alerts))


def _alert(alert: Alert) -> tuple[Part, ...]:
    labels = ", ".join(f"{key}={value}" for key, value in sorted(alert.labels.items()))
    times = (words.clock(alert.first), words.clock(alert.last))
    return alert.name, alert.severity, *times, labels


def boards(seen: Seen) -> Safe:
    """The boards over the run; what a store did not answer is said."""
    said = [listed(seen.unanswered)] if seen.unanswered else []
    drawn = [_picture(each) for each in seen.pictures]
    return join([*said, *(drawn or [tag("p", "No board was drawn.")])])


def _picture(picture: Picture) -> Safe:
    data = base64.b64encode(picture.path.read_bytes()).decode()
    title = f"board {picture.title} over the run"
    image = Safe(f'<img alt="{html(title)}" src="data:image/png;base64,{data}">')
    missing = ", ".join(picture.without_data)
    note = [tag("p", f"Without data: {missing}", class_="note")] if missing else []
    return tag("details", tag("summary", picture.title), *note, tag("figure", image), open="")


def repeat(result: Result) -> Safe:
    """The machine, and the command that makes such a run again."""
    run, own = result.run, result.machine
    memory = None if own.memory_bytes is None else own.memory_bytes / 2**30
    facts = {
        "run": run.run_id,
        "shape": f"{run.shape}, {run.rate:g} requests per second, seed {run.seed}",
        "server": f"{run.url}, {run.model}",
        "load from": f"{run.processes} processes",
        "machine": f"{own.cores} cores, {own.cpu}, {words.number(memory, 1)} GiB",
        "system": f"{own.kernel}, Python {own.python}",
    }
    return join([tag("pre", run.command), tag("dl", *_facts(facts))])


def _facts(facts: dict[str, str]) -> Iterator[Safe]:
    for name, value in facts.items():
        yield tag("dt", name)
        yield tag("dd", value)

"""The figures as tables: a row for the whole run, and for each stage where there are several."""

from collections.abc import Callable, Iterator, Sequence

from loadtest.objectives import Judgement, Objective
from loadtest.ranks import METHOD
from loadtest.report import words
from loadtest.report.figures import Figures
from loadtest.report.markup import Column, Part, Safe, join, table, tag
from loadtest.report.pace import Pace
from loadtest.report.result import Result
from loadtest.report.spreads import Spread

NAMES = {
    "request_duration": "whole answer",
    "time_to_first_token": "first token",
    "time_per_output_token": "time per output token",
    "inter_token_latency": "gap between chunks",
    "error_share": "ends well",
    "ttft": "TTFT: to the first token",
    "itl": "ITL: gap between chunks",
    "tpot": "TPOT: per output token",
    "end_to_end": "end to end, ok answers",
    "end_to_end_of_failed": "end to end, failures",
}
_QUANTILES = ("mean", "p50", "p90", "p95", "p99", "max")


def parts(result: Result) -> Iterator[tuple[str, Figures]]:
    """The whole run, then its stages if it has more than one."""
    yield "whole run", result.whole
    if len(result.stages) > 1:
        for each in result.stages:
            yield f"stage {each.stage.number}, {each.stage.rate:g}/s", each.figures


def _twice(
    caption: str,
    columns: Sequence[Column],
    rows: Callable[[Sequence[tuple[str, Figures]]], list[tuple[Part, ...]]],
    result: Result,
) -> Safe:
    """A table of the whole run, and one by stage if it has more than one."""
    whole, *stages = parts(result)
    shown = [table(caption, columns, rows([whole]))]
    return join(
        [*shown, *([table(f"{caption}, by stage", columns, rows(stages))] if stages else [])]
    )


def _of(objective: Objective) -> str:
    limit = "" if objective.limit is None else f" in {objective.limit:g} s"
    return f"{NAMES[objective.name]}{limit}"


def objectives(result: Result) -> Safe:
    """Each objective, its exact counts and its verdict."""
    columns = (
        Column("objective", False), Column("of", False), Column("good"), Column("counted"),
        Column("good share"), Column("objective, at least"), Column("verdict", False),
    )  # fmt: skip
    return _twice("Objectives of prometheus/slo.yaml", columns, _judgements, result)


def _judgements(shown: Sequence[tuple[str, Figures]]) -> list[tuple[Part, ...]]:
    by_objective = zip(*(figures.judgements for _, figures in shown), strict=True)
    return [
        (_of(each.objective), name, *_judged(each))
        for judgements in by_objective
        for (name, _), each in zip(shown, judgements, strict=True)
    ]


def _judged(each: Judgement) -> tuple[Part, ...]:
    said = {True: "met", False: "missed", None: "note"}[each.met]
    counts = (words.whole(each.good), words.whole(each.counted))
    share, least = words.percent(each.share), words.percent(float(each.objective.share))
    return *counts, share, least, tag("span", words.met(each.met), class_=said)


def latencies(result: Result) -> Safe:
    """Every latency: how many values, and how they are spread."""
    columns = (
        Column("latency, ms", False), Column("of", False), Column("values"),
        *(Column(name) for name in _QUANTILES),
    )  # fmt: skip
    note = f"Quantiles by {METHOD}; of less than 100 values the p99 is the largest."
    return join([_twice("Latencies", columns, _spreads, result), tag("p", note, class_="note")])


def _spreads(shown: Sequence[tuple[str, Figures]]) -> list[tuple[Part, ...]]:
    return [
        (NAMES[key], name, *_spread(figures.latencies[key]))
        for key in shown[0][1].latencies
        for name, figures in shown
    ]


def _spread(spread: Spread | None) -> tuple[str, ...]:
    if spread is None:
        return ("0", *("–" for _ in _QUANTILES))
    return (words.whole(spread.count), *(words.ms(getattr(spread, name)) for name in _QUANTILES))


def throughput(result: Result) -> Safe:
    """Tokens, goodput and cost."""
    columns = (
        Column("of", False), Column("seconds"), Column("requests"), Column("good requests"),
        Column("good requests/s"), Column("good tokens out/s"), Column("tokens in"),
        Column("tokens in/s"), Column("tokens out"), Column("tokens out/s"),
        Column("without usage"),
    )  # fmt: skip
    rows = [(name, *_rates(figures)) for name, figures in parts(result)]
    return table("Tokens and goodput", columns, rows)


def _rates(figures: Figures) -> tuple[str, ...]:
    tokens, per_second = figures.tokens, figures.per_second
    return (
        words.number(figures.seconds, 1),
        words.whole(figures.requests),
        words.whole(figures.good),
        words.number(per_second(figures.good)),
        words.number(per_second(figures.good_tokens), 1),
        words.whole(tokens.input),
        words.number(per_second(tokens.input), 1),
        words.whole(tokens.output),
        words.number(per_second(tokens.output), 1),
        words.whole(tokens.without),
    )


def cost(result: Result) -> Safe:
    """What the run cost by the price list."""
    columns = (
        Column("of", False), Column("cost, µ$"), Column("per 1,000 good output tokens, µ$"),
        Column("cost of the known, µ$"), Column("known"), Column("not known"),
    )  # fmt: skip
    rows = [(name, *_cost(figures)) for name, figures in parts(result)]
    return table("Cost by the price list", columns, rows)


def _cost(figures: Figures) -> tuple[str, ...]:
    found = figures.cost
    return (
        words.number(found.whole, 3),
        words.number(figures.microdollars_per_1k_good_tokens, 3),
        words.number(found.microdollars if found.known else None, 3),
        words.whole(found.known),
        words.whole(found.unknown),
    )


def ends(result: Result) -> Safe:
    """How requests ended other than well, what the load asked for apart."""
    if not result.whole.ends:
        return tag("p", "Every request ended well.")
    columns = (
        Column("ended as", False), Column("outcome", False), Column("asked for", False),
        Column("requests"),
    )  # fmt: skip
    rows = [
        (
            end.ended_as,
            end.outcome,
            "by the load" if end.provoked else "by nobody",
            f"{end.count:,}",
        )
        for end in result.whole.ends
    ]
    return table("Ends that were not ok", columns, rows)


def pace(paces: Sequence[Pace]) -> Safe:
    """The load that was intended beside the one that was sent."""
    columns = (
        Column("stage", False), Column("phase", False), Column("seconds"), Column("intended/s"),
        Column("achieved/s"), Column("intended"), Column("sent"), Column("dropped"),
        Column("without a line"), Column("late by p50, ms"), Column("late by p99, ms"),
    )  # fmt: skip
    return table("The load itself", columns, [_pace(each) for each in paces])


def _pace(pace: Pace) -> tuple[str, ...]:
    stage, delay = pace.stage, pace.delay
    return (
        str(stage.number),
        stage.phase,
        words.number(stage.seconds, 1),
        words.number(stage.rate),
        words.number(pace.achieved),
        words.whole(stage.intended),
        words.whole(pace.sent),
        words.whole(stage.dropped),
        words.whole(pace.lost),
        words.ms(delay.p50 if delay else None),
        words.ms(delay.p99 if delay else None),
    )

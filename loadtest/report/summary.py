"""The report in a few lines, for a terminal."""

from collections.abc import Iterator

from loadtest.report import words
from loadtest.report.result import Result
from loadtest.report.tables import NAMES
from loadtest.rows import limit_in_words


def summary(result: Result) -> Iterator[str]:
    """Whether it can be believed, each objective, and the goodput."""
    yield from (f"INVALID: {reason}" for reason in result.invalid_because)
    if not result.exact:
        yield "CONTRADICTED:" if result.contradicted else "NOT PROVEN:"
        yield from (f"  {line}" for line in result.findings)
    if result.run.held:
        yield limit_in_words(result.run)
    whole = result.whole
    for each in whole.judgements:
        name, least = NAMES[each.objective.name], words.percent(float(each.objective.share))
        counts = f"{each.good:,} of {each.counted:,} good, {words.percent(each.share)}"
        yield f"{words.met(each.met):<12} {name}: {counts}, at least {least}"
    good = words.number(whole.per_second(whole.good))
    tokens = words.number(whole.per_second(whole.good_tokens), 1)
    yield f"goodput: {good} requests and {tokens} output tokens per second"
    price = words.number(whole.microdollars_per_1k_good_tokens, 3)
    yield f"cost per 1,000 good output tokens, µ$: {price}"
    yield from (f"not asked: {line}" for line in result.seen.unanswered)

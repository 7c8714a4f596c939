"""The report as one HTML page that needs nothing else; its only links lead to the stores."""

from collections.abc import Iterator

from loadtest.report import appendix, tables, words
from loadtest.report.charts import Point, charts
from loadtest.report.markup import Part, Safe, join, listed, tag
from loadtest.report.result import Result
from loadtest.report.style import CSS
from loadtest.rows import MAIN, Run, limit_in_words

WHO = (
    f"Only requests of the phase {MAIN} count. One that the load made to fail is in no latency and "
    "no verdict. A request is good when its answer is ok and inside every objective, with the "
    "objective's share of its own gaps. A failure counts against each objective that it never came "
    "to. All times run from when the request was due, also if the generator was late."
)
RATES = (
    "Per second: from a stage's begin to its end, or to the end of its last ok answer if that is "
    "later, so that what an overload leaves for later does not count as if it were in time."
)
PRICED = (
    "The sum and the price of good tokens are known only where every request's cost is. All "
    "requests are paid for; the tokens of the good ones alone are counted. A refused request costs "
    "nothing."
)


def html(result: Result) -> str:
    """The whole page."""
    title = f"Load run {result.run.run_id}"
    head = join(
        [
            Safe('<meta charset="utf-8">'),
            Safe('<meta name="viewport" content="width=device-width">'),
            tag("title", title),
            tag("style", Safe(CSS)),
        ]
    )
    body = tag("main", *_banners(result), _heading(result, title), *_body(result))
    page = tag("html", tag("head", head), tag("body", body), lang="en")
    return f"<!doctype html>{page}\n"


def _banners(result: Result) -> Iterator[Safe]:
    if result.invalid_because:
        about = "These figures are not the server's. They are struck below, for whoever looks why."
        reasons = listed(result.invalid_because)
        yield _banner("INVALID", about, reasons, class_="banner invalid")
    if result.contradicted:
        about = "Client and server do not tell the same story of this run: see Reconciled."
        yield _banner("CONTRADICTED", about, class_="banner differs")
    elif not result.exact:
        about = "Nothing contradicts this run, and not all of it can be proven: see Reconciled."
        yield _banner("NOT PROVEN", about, class_="banner differs")


def _banner(title: str, about: str, *parts: Part, class_: str) -> Safe:
    return tag("section", tag("h2", title), tag("p", about), *parts, class_=class_, role="alert")


def _heading(result: Result, title: str) -> Safe:
    run, whole = result.run, result.whole
    times = f"{words.clock(run.started_ns / 1e9)} to {words.clock(run.ended_ns / 1e9)}"
    verdict = {
        True: "every objective met",
        False: "objectives missed",
        None: "nothing to judge",
    }[whole.met]
    good = f"{whole.good:,} of {whole.requests - whole.provoked:,} requests good"
    line = tag(
        "strong", f"{verdict}; {good}, {words.number(whole.per_second(whole.good))} per second"
    )
    shape = f"{run.shape}, {times}"
    parts = (tag("h1", title), tag("p", shape), *_limit(run), tag("p", line))
    return tag("header", *parts, *_absent(result), class_=_struck(result))


def _limit(run: Run) -> Iterator[Safe]:
    if run.held:
        yield tag("p", tag("strong", limit_in_words(run)))


def _struck(result: Result) -> str:
    return "struck" if result.invalid_because else "figures"


def _section(title: str, *parts: Part, class_: str = "") -> Safe:
    return tag("section", tag("h2", title), *parts, class_=class_)


def _body(result: Result) -> Iterator[Safe]:
    struck, seen = _struck(result), result.seen
    note = tag("p", WHO, class_="note")
    yield _section("Verdict", tables.objectives(result), note, class_=struck)
    yield _section("Latency", tables.latencies(result), class_=struck)
    rates = tag("p", RATES, class_="note")
    yield _section("Throughput", tables.throughput(result), rates, class_=struck)
    priced = tag("p", PRICED, class_="note")
    yield _section("Cost", tables.cost(result), priced, class_=struck)
    yield _section("Failures", tables.ends(result), class_=struck)
    yield _section("Charts", *_charts(result), class_=struck)
    yield _section("Load", *_pace(result))
    yield _section("Reconciled", listed(result.findings))
    yield _section("Worst requests", appendix.worst(result))
    yield _section("Alerts that fired", appendix.alerts(seen))
    yield _section("Boards over the run", appendix.boards(seen))
    yield _section("How to repeat it", appendix.repeat(result))


def _pace(result: Result) -> Iterator[Safe]:
    yield tables.pace(result.paces)
    if delay := result.delay:
        late = f"p50 {words.ms(delay.p50)} ms, p99 {words.ms(delay.p99)} ms"
        yield tag("p", f"Late over all of {MAIN}: {late}, at most {words.ms(delay.max)} ms.")


def _absent(result: Result) -> Iterator[Safe]:
    main = [pace for pace in result.paces if pace.stage.phase == MAIN]
    dropped, lost = sum(pace.stage.dropped for pace in main), sum(pace.lost for pace in main)
    if dropped or lost:
        counts = f"{dropped:,} requests were due and never sent, {lost:,} were and have no line"
        yield tag("p", f"{counts}: they are in no figure.", class_="missed")


def _charts(result: Result) -> Iterator[Safe]:
    if len(result.stages) > 1:
        loads = [Point(one.stage.rate, one.stage.rate, one.figures) for one in result.stages]
        made = charts(loads, "intended load, requests per second")
        yield tag("h3", "Against load")
        yield tag("div", *made, class_="charts")
    times = [
        Point(one.at, one.figures.requests / one.figures.seconds, one.figures)
        for one in result.course
    ]
    yield tag("h3", "Over time, by when a request was due")
    yield tag("div", *charts(times, "seconds since the first stage began"), class_="charts")

"""Load test: one run as its client saw it, beside what the server did at that time."""

from grafana.dashboards import sdk
from grafana.dashboards.colors import DEVICE, LISTED, SERVER_SIDE
from grafana.dashboards.measures import MICRODOLLARS
from grafana.dashboards.panels import Panel, series, stat
from grafana.dashboards.queries import (
    LOAD,
    OURS,
    QUANTILES,
    Asks,
    Query,
    dots,
    measured,
    quantile,
    rate,
    seen,
)
from grafana.dashboards.slo import limit

RUN = f'{LOAD}, instance="$run"'
NO_RUN = "no load test has run"


def _of_run(counter: str, *matchers: str) -> str:
    return f"sum({rate(counter, *matchers, scope=RUN)})"


def _quantiles(client: str, server: str) -> list[Asks]:
    """The client's p99, p95 and p50, and the server's own; the dots are the client's."""
    lines = [
        Query(measured(quantile(q, histogram, by="", scope=scope)), f"{whose} {name}")
        for whose, histogram, scope in (("client", client, RUN), (SERVER_SIDE, server, OURS))
        for q, name in QUANTILES
    ]
    return [dots(client, scope=RUN), *lines]


def course() -> list[Panel]:
    """Return where the run is, and whether what is asked for is achieved.

    One list in the order of the board, and so longer than 40 lines.
    """
    good = f"sum(increase(loadtest_good_requests_total{{{RUN}}}[$__range]))"
    judged = f"sum(increase(loadtest_judged_requests_total{{{RUN}}}[$__range]))"
    return [
        stat(
            "Stage",
            "Number of the stage that runs, -1 before the first and after the last; purple marks "
            "on every panel name its phase: leave warm-up and cool-down out of what you read.",
            "none",
            Query(f"max(loadtest_stage{{{RUN}}})", "stage"),
            empty="no run now",
        ),
        stat(
            "Good requests",
            "Share of the range's requests that succeeded within each objective of "
            "prometheus/slo.yaml, ends that the load asked for apart; the highest rate at which it "
            "stays near 1 is the capacity.",
            "percentunit",
            Query(f"{good} / {judged}", "good"),
            nan="no request ended",
            empty=NO_RUN,
        ),
        series(
            "Rate, target and achieved",
            "Visits per second that the stage asks for, and requests, 1.2 a visit, that ended and "
            "succeeded; where ended stays below target somebody is full: see the last row.",
            "reqps",
            [
                Query(f"max(loadtest_target_rate{{{RUN}}})", "target"),
                Query(_of_run("loadtest_requests_total"), "ended"),
                Query(_of_run("loadtest_requests_total", 'outcome="ok"'), "ok"),
                Query(_of_run("loadtest_good_requests_total"), "good"),
            ],
            empty=NO_RUN,
        ),
        series(
            "Goodput, tokens",
            "Output tokens per second, of all requests and of good ones; where the two part, more "
            "load buys work that comes too late: add capacity before this rate.",
            "count:tokens/s",
            [
                Query(_of_run("loadtest_output_tokens_total"), "all"),
                Query(_of_run("loadtest_good_output_tokens_total"), "good"),
            ],
            empty=NO_RUN,
        ),
    ]


def latency() -> list[Panel]:
    """Return the three clocks of a request as its client reads them, beside the server's own."""
    return [
        series(
            "Duration, client and server",
            "From the intended start to the last byte, dashed as the server counts it; where the "
            "client's is longer, requests wait before the server sees them: look at the last row.",
            "s",
            _quantiles(
                "loadtest_request_duration_seconds", "gen_ai_server_request_duration_seconds"
            ),
            limits=limit("request_duration"),
            logarithmic=True,
            empty=NO_RUN,
        ),
        series(
            "TTFT, client and server",
            "Wait for the first token, dashed as the engine counts it; a gap is the network, the "
            "tokenizer or a late generator, so compare it with the schedule delay.",
            "s",
            _quantiles(
                "loadtest_time_to_first_token_seconds", "gen_ai_server_time_to_first_token_seconds"
            ),
            limits=limit("time_to_first_token"),
            logarithmic=True,
            empty=NO_RUN,
        ),
        series(
            "TPOT, client and server",
            "Mean pace after the first token, dashed as the engine counts it; where the client's "
            "is slower, tokens wait on their way out: look at the event-loop lag on USE.",
            "s",
            _quantiles(
                "loadtest_time_per_output_token_seconds",
                "gen_ai_server_time_per_output_token_seconds",
            ),
            limits=limit("time_per_output_token"),
            logarithmic=True,
            empty=NO_RUN,
        ),
    ]


def faults() -> list[Panel]:
    """Return how requests failed, and what the server's work cost meanwhile."""
    failed = rate("loadtest_requests_total", 'outcome!="ok"', scope=RUN)
    costs = {LISTED: "llm_cost_microdollars_total", DEVICE: "llm_gpu_cost_microdollars_total"}
    return [
        series(
            "Errors by outcome",
            "Requests per second that did not end well for their client, asked-for aborts "
            "included; open one of them in the Request explorer by its trace.",
            "reqps",
            [Query(f"sum by (outcome) ({failed})", "{{outcome}}")],
            stacked=True,
            empty=NO_RUN,
        ),
        series(
            "Cost per second",
            "Microdollars per second of the server's requests, the run's and all others; between "
            "the run's marks compare it with goodput, and stop where only the cost grows.",
            MICRODOLLARS,
            [
                Query(
                    seen(f"sum by (model) ({rate(metric)})", "model", metric),
                    f"{measure} {{{{model}}}}",
                )
                for measure, metric in costs.items()
            ],
            width=16,
            empty="nothing spent",
        ),
    ]


def generator() -> list[Panel]:
    """Return whether the generator itself is the bottleneck, which would make the run invalid."""
    delay = "loadtest_schedule_delay_seconds"
    return [
        series(
            "Schedule delay",
            "How late the generator sent what was due; when it nears the latencies above, the "
            "machine that sends is full: use more processes or another machine.",
            "s",
            [Query(measured(quantile(q, delay, by="", scope=RUN)), name) for q, name in QUANTILES],
            logarithmic=True,
            empty=NO_RUN,
        ),
        series(
            "Dropped by the generator",
            "Requests per second that were due and never sent because too many were in flight; "
            "when not zero the achieved rate is no measure of the server: ask for less.",
            "reqps",
            [Query(_of_run("loadtest_dropped_total"), "dropped")],
            empty=NO_RUN,
        ),
        series(
            "In flight, client and server",
            "Requests sent and not ended, dashed as the server counts them; while it only grows "
            "the rate is above capacity, and a gap is what waits outside the server.",
            "short",
            [
                Query(f"sum(loadtest_in_flight_requests{{{RUN}}})", "client"),
                Query(f"sum(llm_requests_in_flight{{{OURS}}})", f"{SERVER_SIDE} in flight"),
            ],
        ),
    ]


def build() -> str:
    """Return the load test's board as JSON."""
    return sdk.dashboard_json(
        uid="llm-loadtest",
        description="How much the server bears: one run, as its client saw it.",
        uses=["model", "instance"],
        more=[sdk.run_variable()],
        rows=[
            ("The run", course()),
            ("Latency, from the intended start", latency()),
            ("Errors and cost", faults()),
            ("Is the generator the bottleneck?", generator()),
        ],
    )

"""The report's figures: exact, of the right requests, and absent where they are not known."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import objectives
from loadtest.objectives import Judgement, Objective, is_good
from loadtest.ranks import at_rank
from loadtest.report.figures import Ending, Figures, figures
from loadtest.report.reconciled import Costs
from loadtest.report.spreads import spread
from loadtest.rows import Row
from tests.unit.load_runs import failed, row

OBJECTIVES = objectives.read()
SECONDS = st.floats(0.0, 100.0, allow_nan=False)


def shown(rows: list[Row], costs: dict[str, float] | None = None, exact: bool = True) -> Figures:
    return figures(rows, 10.0, OBJECTIVES, Costs(costs or {}, exact))


def judged(found: Figures, name: str) -> Judgement:
    return next(each for each in found.judgements if each.objective.name == name)


def test_quantiles_of_one_to_a_hundred_are_their_own_percent() -> None:
    found = spread(float(n) for n in range(100, 0, -1))
    assert found is not None
    assert (found.p50, found.p90, found.p95, found.p99, found.max) == (50, 90, 95, 99, 100)
    assert (found.count, found.mean) == (100, 50.5)


def test_a_rank_is_not_lifted_by_what_a_float_cannot_hold() -> None:
    for count in range(1, 2000):
        assert at_rank(range(count), 95) == math.ceil(Fraction(95, 100) * count) - 1


def test_no_value_has_no_spread() -> None:
    assert spread([]) is None


@given(st.lists(SECONDS, min_size=1), st.sampled_from([50, 90, 95, 99]), SECONDS)
def test_a_quantile_keeps_a_limit_just_where_enough_values_do(
    values: list[float], percent: int, limit: float
) -> None:
    enough = 100 * sum(value <= limit for value in values) >= percent * len(values)
    assert (at_rank(sorted(values), percent) <= limit) == enough


@given(st.lists(SECONDS, min_size=1))
def test_quantiles_are_measured_values_in_order(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    quantiles = [found.p50, found.p90, found.p95, found.p99, found.max]
    assert quantiles == sorted(quantiles)
    assert set(quantiles) <= set(values)


def test_objectives_are_those_of_the_file() -> None:
    assert {each.name: each.limit for each in OBJECTIVES} == {
        "request_duration": 60,
        "time_to_first_token": 2,
        "time_per_output_token": 0.1,
        "inter_token_latency": 0.2,
        "error_share": None,
    }
    assert OBJECTIVES[-1].share == Fraction(99, 100)


def test_a_limit_is_kept_by_a_value_that_equals_it() -> None:
    assert judged(shown([row(ttft=2.0, seconds=60.0)]), "time_to_first_token").met
    assert judged(shown([row(ttft=2.0, seconds=60.0)]), "request_duration").met
    assert judged(shown([row(ttft=2.000001)]), "time_to_first_token").good == 0


def test_the_objective_itself_is_enough() -> None:
    rows = [row() for _ in range(95)] + [row(ttft=3.0, seconds=4.0) for _ in range(5)]
    first = judged(shown(rows), "time_to_first_token")
    assert (first.good, first.counted, first.met) == (95, 100, True)
    assert judged(shown([*rows, row(ttft=3.0)]), "time_to_first_token").met is False


def test_a_failure_misses_what_it_never_came_to() -> None:
    found = shown([row(), failed()])
    for name in ("request_duration", "time_to_first_token", "error_share"):
        assert (judged(found, name).good, judged(found, name).counted) == (1, 2)
    assert judged(found, "time_per_output_token").counted == 1


def test_a_failure_after_the_first_token_had_it_in_time() -> None:
    found = shown([row(outcome="cut_off", ended_as="ReadError")])
    assert judged(found, "time_to_first_token").good == 1
    assert judged(found, "request_duration").good == 0


def test_an_answer_in_one_chunk_has_no_time_per_token() -> None:
    found = shown([row(gaps_seconds=(), output_tokens=9)])
    assert found.latencies["tpot"] is None
    assert judged(found, "time_per_output_token").met is None


def test_what_is_not_streamed_has_no_first_token_to_judge() -> None:
    found = shown([row(stream=False, ttft=None, gaps_seconds=())])
    assert judged(found, "time_to_first_token").met is None
    assert judged(found, "time_to_first_token").share is None
    assert found.good == 1


def test_a_failure_that_the_load_asked_for_is_judged_by_nobody() -> None:
    aborted = failed("aborted", "hung up", provoked=True)
    found = shown([row(), aborted])
    assert (found.requests, found.provoked, found.met) == (2, 1, True)
    assert all(each.good == each.counted for each in found.judgements)
    assert found.latencies["end_to_end_of_failed"] is None


def test_an_answer_counts_even_where_the_load_asked_for_it() -> None:
    assert shown([row(provoked=True)]).good == 1


def test_ends_that_were_asked_for_stand_apart() -> None:
    rows = [failed(), failed(), failed(provoked=True), failed("unreachable", "ConnectError"), row()]
    assert shown(rows).ends == (
        Ending("server_error", "500", False, 2),
        Ending("unreachable", "ConnectError", False, 1),
        Ending("server_error", "500", True, 1),
    )


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"seconds": 60.1}, False),
        ({"ttft": 2.1}, False),
        ({"gaps_seconds": (0.21, 0.0)}, False),
        ({"gaps_seconds": (0.21, *(0.0,) * 99), "output_tokens": 101}, True),
        ({"gaps_seconds": (0.15, 0.15)}, False),
        ({"outcome": "cut_off"}, False),
    ],
)
def test_a_good_request_is_inside_every_objective(changes: dict[str, object], good: bool) -> None:
    assert is_good(OBJECTIVES, row(**changes)) is good  # type: ignore[arg-type]


def test_goodput_counts_good_requests_and_their_tokens_alone() -> None:
    found = shown([row(), row(), row(ttft=3.0, output_tokens=100), failed()])
    assert (found.good, found.good_tokens) == (2, 6)
    assert found.per_second(found.good) == 0.2
    assert (found.tokens.input, found.tokens.output, found.tokens.without) == (21, 106, 1)


def test_tokens_that_a_good_answer_did_not_tell_are_not_0() -> None:
    found = shown([row(), row(output_tokens=None)], {f"{1:032x}": 5.0})
    assert found.good_tokens is None
    assert found.per_second(found.good_tokens) is None
    assert found.microdollars_per_1k_good_tokens is None


def test_cost_is_that_of_all_requests_by_the_tokens_of_the_good() -> None:
    late = row(number=2, ttft=3.0, output_tokens=500)
    found = shown([row(number=1, output_tokens=4), late], {f"{1:032x}": 1.0, f"{2:032x}": 7.0})
    assert found.cost.whole == 8.0
    assert found.microdollars_per_1k_good_tokens == 2000.0


@pytest.mark.parametrize(
    ("other", "exact", "known"),
    [
        (row(number=2), True, False),  # an answer used tokens, so its model has no price
        (failed("client_error", "400", number=2), False, True),
        (failed("aborted", "hung up", number=2), True, True),  # before it used any token
        (failed("aborted", "hung up", number=2), False, False),
    ],
)
def test_a_cost_that_is_not_known_is_not_0(other: Row, exact: bool, known: bool) -> None:
    found = shown([row(number=1), other], {f"{1:032x}": 5.0}, exact)
    assert (found.cost.whole == 5.0) is known
    assert (found.cost.whole is None) is not known
    assert (found.cost.microdollars, found.cost.known) == (5.0, 1)
    assert (found.microdollars_per_1k_good_tokens is None) is not known


def test_nothing_known_costs_nothing_known() -> None:
    assert shown([]).cost.whole is None
    assert shown([]).met is None


@given(st.lists(st.tuples(SECONDS, SECONDS, st.booleans(), st.booleans()), max_size=40))
def test_counts_add_up_whatever_came(drawn: list[tuple[float, float, bool, bool]]) -> None:
    rows = [
        row(0.0, first + more, first, outcome="ok" if ok else "timeout", provoked=asked)
        for first, more, ok, asked in drawn
    ]
    found = shown(rows)
    assert found.good <= sum(each.outcome == "ok" for each in rows)
    assert sum(each.count for each in found.ends) + sum(e.outcome == "ok" for e in rows) == len(
        rows
    )
    for each in found.judgements:
        assert 0 <= each.good <= each.counted
        if each.objective.limit is None or each.objective.name == "request_duration":
            assert each.counted == found.requests - found.provoked
    if found.good == len(rows):
        assert found.met is not False


def test_a_share_is_held_exactly() -> None:
    third = Objective("error_share", Fraction(1, 3), None)
    assert Judgement(third, 1, 3).met
    assert not Judgement(third, 333_333_333_333_333, 10**15).met

"""When an engine counts as stalled, by ticks alone: what must be found, and what must not."""

from collections.abc import Iterable

import pytest

from server.readiness.stall import (
    ASK_SECONDS,
    COMPILE_SECONDS,
    LOOK_AGAIN_SECONDS,
    TICK_SECONDS,
    Stall,
    Turn,
)

LIMIT = 20.0
BUSY, IDLE = 3, 0


def pass_time(stall: Stall, seconds: int, unfinished: int, heard: int = 0) -> list[Turn]:
    """Ticks on time, in which the engine says nothing new."""
    return [stall.tick(TICK_SECONDS, unfinished, heard) for _ in range(seconds)]


def stalled() -> Stall:
    stall = Stall(LIMIT)
    pass_time(stall, 21, BUSY)
    assert stall.judge(0, is_compiling=False)
    return stall


def test_an_engine_that_owes_an_answer_for_too_long_is_looked_at_and_stalled() -> None:
    stall = Stall(LIMIT)
    turns = pass_time(stall, 21, BUSY)
    asks = int(LIMIT - ASK_SECONDS)
    assert turns == [*[Turn.NOTHING] * 3, *[Turn.ASK] * asks, Turn.LOOK]
    assert not stall.is_stalled, "only a look decides"
    assert stall.judge(0, is_compiling=False)
    assert stall.is_stalled
    assert stall.silent == LIMIT


def test_it_is_found_well_within_thirty_seconds() -> None:
    # A tick until the silence begins, the limit, a tick until it is seen, twice the patience of
    # the stacks (server/readiness/watch.py).
    from server.readiness.watch import _LOOK_SECONDS

    assert TICK_SECONDS + LIMIT + TICK_SECONDS + _LOOK_SECONDS < 30


def test_an_idle_engine_is_never_silent() -> None:
    stall = Stall(LIMIT)
    assert set(pass_time(stall, 3600, IDLE)) == {Turn.NOTHING}
    assert stall.silent == 0


def test_after_hours_of_nothing_the_clock_begins_with_the_first_request() -> None:
    stall = Stall(LIMIT)
    pass_time(stall, 7200, IDLE)
    assert set(pass_time(stall, 3, BUSY)) == {Turn.NOTHING}
    assert stall.silent == 2
    assert stall.tick(TICK_SECONDS, IDLE, 1) is Turn.NOTHING
    assert stall.silent == 0


def test_steps_without_a_token_are_answers() -> None:
    # A long prefill in chunks, or hundreds that wait: each step reports.
    stall = Stall(LIMIT)
    for step in range(600):
        assert stall.tick(TICK_SECONDS, 500, step // 19) in (Turn.NOTHING, Turn.ASK)
    assert not stall.is_stalled


@pytest.mark.parametrize("blocked", [30.0, 600.0, 86400.0])
def test_a_blocked_loop_and_a_sleeping_machine_are_two_ticks(blocked: float) -> None:
    stall = Stall(LIMIT)
    pass_time(stall, 2, BUSY)
    # The first tick after it comes before what the engine said meanwhile is read.
    assert stall.tick(blocked, BUSY, 0) is Turn.ASK
    assert stall.silent == 1 + 2 * TICK_SECONDS
    assert stall.tick(TICK_SECONDS, BUSY, 1) is Turn.NOTHING
    assert stall.silent == 0


def test_what_was_heard_during_the_look_is_no_stall() -> None:
    stall = Stall(LIMIT)
    pass_time(stall, 21, BUSY)
    assert not stall.judge(1, is_compiling=False)
    assert stall.tick(TICK_SECONDS, BUSY, 1) is Turn.NOTHING
    assert (stall.is_stalled, stall.silent) == (False, 0)


def test_an_engine_whose_callers_have_gone_still_owes_its_answer() -> None:
    stall = Stall(LIMIT)
    pass_time(stall, 5, BUSY)
    turns = pass_time(stall, 16, IDLE)
    assert turns[-1] is Turn.LOOK
    assert stall.judge(0, is_compiling=False)


def test_an_idle_engine_that_replies_owes_nothing_any_more() -> None:
    stall = Stall(LIMIT)
    assert pass_time(stall, 5, BUSY)[-1] is Turn.ASK
    assert stall.tick(TICK_SECONDS, IDLE, 1) is Turn.NOTHING
    assert set(pass_time(stall, 100, IDLE, heard=1)) == {Turn.NOTHING}


def test_a_stall_is_one_until_the_engine_is_heard() -> None:
    stall = stalled()
    assert set(pass_time(stall, 60, BUSY)) == {Turn.ASK}
    assert set(pass_time(stall, 60, IDLE)) == {Turn.ASK}
    assert stall.is_stalled
    assert stall.tick(TICK_SECONDS, IDLE, 1) is Turn.RECOVERED
    assert (stall.is_stalled, stall.lasted) == (False, LIMIT + 120)
    assert stall.tick(TICK_SECONDS, IDLE, 1) is Turn.NOTHING


def test_the_next_stall_is_another() -> None:
    stall = stalled()
    stall.tick(TICK_SECONDS, BUSY, 1)
    turns = pass_time(stall, 20, BUSY, heard=1)
    assert turns[-1] is Turn.LOOK
    assert turns.count(Turn.LOOK) == 1
    assert stall.judge(1, is_compiling=False)


def looks(stall: Stall, turns: Iterable[Turn]) -> int:
    """Looks that found the engine compiling."""
    found = 0
    for turn in turns:
        if turn is Turn.LOOK:
            found += 1
            assert not stall.judge(0, is_compiling=True)
    return found


def test_a_compilation_is_no_stall_and_is_looked_at_again() -> None:
    stall = Stall(LIMIT)
    seconds = int(COMPILE_SECONDS)
    found = looks(stall, (stall.tick(TICK_SECONDS, BUSY, 0) for _ in range(seconds)))
    assert found == (COMPILE_SECONDS - LIMIT) / LOOK_AGAIN_SECONDS
    assert stall.tick(TICK_SECONDS, BUSY, 0) is Turn.LOOK
    assert stall.judge(0, is_compiling=True), "a compilation without an end is a stall as well"


def test_what_hangs_after_a_compilation_is_found() -> None:
    stall = Stall(LIMIT)
    looks(stall, pass_time(stall, 21, BUSY))
    assert pass_time(stall, int(LOOK_AGAIN_SECONDS), BUSY)[-1] is Turn.LOOK
    assert stall.judge(0, is_compiling=False)


def test_a_compilation_that_ends_leaves_nothing_behind() -> None:
    stall = Stall(LIMIT)
    looks(stall, pass_time(stall, 21, BUSY))
    stall.tick(TICK_SECONDS, BUSY, 1)
    assert pass_time(stall, 20, BUSY, heard=1)[-1] is Turn.LOOK, "the limit counts anew"


def test_a_limit_beyond_that_of_a_compilation_holds_for_both() -> None:
    stall = Stall(2 * COMPILE_SECONDS)
    turns = pass_time(stall, int(2 * COMPILE_SECONDS) + 1, BUSY)
    assert turns.count(Turn.LOOK) == 1
    assert stall.judge(0, is_compiling=True)

"""What only one side knows of: races, strangers, and requests that the server has not seen."""

import pytest

from tests.unit.agreed import HUNG_UP, LISTING, REFUSED, told, wrong
from tests.unit.reconciling import SECOND


def test_whole_answers_before_the_hang_up_are_races_and_no_errors() -> None:
    story = told()
    trace_id = story.send(HUNG_UP)
    found = story.reconciled()
    assert found.exact
    (line,) = [line for line in found.lines if "races, true on both sides" in line]
    assert line.startswith("·") and f"{trace_id} aborted (hung up), server ok" in line


def test_of_a_hang_up_before_the_first_byte_nobody_can_tell() -> None:
    story = told()
    lost = story.lose(**HUNG_UP, status=None, request_ack_ns=None)
    found = story.reconciled()
    assert found.unseen == (lost,)
    assert not found.exact and not found.contradicted


@pytest.mark.parametrize("outcome", ["ok", "cut_off", "unreachable", "server_error"])
def test_without_a_restart_nothing_explains_a_request_that_was_not_seen(outcome: str) -> None:
    story = told()
    lost = story.lose(outcome=outcome)
    found = story.reconciled()
    assert found.unseen == (lost,) and found.contradicted


def test_a_stranger_is_named_and_counted_among_the_servers() -> None:
    story = told()
    sent = story.send()
    stranger = story.rows.pop()
    found = story.reconciled()
    assert found.strangers == (sent,)
    (line,) = wrong(found)
    assert line.startswith("✗ seen by the server and sent by no client of this run: 1")
    assert f"{stranger.trace_id} POST /v1/chat/completions ok/stop" in line


def test_a_list_of_models_is_no_stranger() -> None:
    story = told()
    story.send(**LISTING)
    story.rows.pop()
    assert story.reconciled().exact


@pytest.mark.parametrize("seconds", [-3, 3])
def test_of_strangers_at_the_runs_end_nobody_can_tell_who_counted_them(seconds: int) -> None:
    story = told()
    story.now += 20 * SECOND
    others, uncounted = seconds < 0, story.exposed()
    story.send()
    story.rows.pop()
    ended = story.logs.records[-1].time_ns + seconds * SECOND
    found = story.reconciled(ended_ns=ended, after=story.exposed() if others else uncounted)
    counted = [line for line in wrong(found) if "requests ok/stop" in line]
    assert counted == [
        f"? requests ok/stop: counted {4 if others else 3}, by the records "
        f"{3 if others else 4}: which of 3 to 4 were counted nobody can tell"
    ]


def test_callers_without_a_known_key_are_counted_and_not_joined() -> None:
    story = told()
    story.lose(outcome="client_error", status=401, ended_as="401")
    story.send(**{**REFUSED, "reason": "auth", "status_code": 401})
    story.rows.pop()
    found = story.reconciled()
    assert found.exact and found.unseen == found.strangers == ()
    assert any("own ids, as many of both: 1" in line for line in found.lines)


def test_a_refused_caller_that_the_server_has_no_record_of_is_found() -> None:
    story = told()
    lost = story.lose(outcome="client_error", status=401, ended_as="401")
    found = story.reconciled()
    assert found.unseen == (lost,) and found.contradicted

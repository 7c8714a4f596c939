"""A server that is killed in a run: what can be compared is, and what nobody knows is said."""

import pytest

from tests.unit.agreed import HUNG_UP, wrong
from tests.unit.reconciling import START, Story


def killed(scrapes: int = 1) -> Story:
    """Two requests, a scrape, one more request, a kill, and two requests after it."""
    story = Story()
    story.send()
    story.send()
    for _ in range(scrapes):
        story.scrape()
    story.send()
    story.kill()
    story.scrape()
    story.send()
    story.send()
    return story


def test_what_was_counted_after_the_last_scrape_is_bounded() -> None:
    found = killed().reconciled()
    assert not found.exact and not found.contradicted
    assert len(found.killed) == 1
    assert found.outcomes[found.killed[0]] == ("server_error", "killed")
    assert (
        "? requests ok/stop: counted 4, by the records 5: which of 4 to 5 were counted nobody "
        "can tell"
    ) in found.lines
    assert "✓ requests server_error/killed: counted 1, by the records 1" in found.lines
    (line,) = [line for line in found.lines if "restarts of" in line]
    assert "in the run: 1;" in line and "last scrape 22.0 s before" in line


def test_of_killed_requests_nobody_knows_the_tokens() -> None:
    found = killed().reconciled()
    (line,) = [line for line in found.lines if "died with the server" in line]
    assert line.startswith("? died with the server") and found.killed[0] in line
    assert found.killed[0] not in found.costs


def test_a_span_of_a_killed_request_has_lost_its_parent_and_is_no_error() -> None:
    lines = killed().reconciled().lines
    assert "✓ requests with exactly one SERVER span, a child of the client's: 6 of 6" in lines


def test_where_the_last_scrape_saw_everything_the_counters_are_exact() -> None:
    story = Story()
    story.send()
    story.scrape()
    story.kill()
    story.send()
    found = story.reconciled()
    assert "✓ requests ok/stop: counted 2, by the records 2" in found.lines
    assert all("explains" in line or "died with" in line for line in wrong(found))


def test_without_prometheus_only_the_last_process_is_compared() -> None:
    story = killed()
    story.scrapes.silent = True
    found = story.reconciled()
    assert not found.contradicted
    assert (
        "? requests ok/stop: counted 2, by the records 5: which of 2 to 5 were counted nobody "
        "can tell"
    ) in found.lines
    assert any("Prometheus has no scrape in the run" in line for line in found.lines)


def test_a_process_between_two_kills_counts_as_well() -> None:
    story = killed()
    story.scrape()
    story.kill()
    story.send()
    found = story.reconciled()
    assert len(found.killed) == 2 and not found.contradicted
    assert any("requests ok/stop: counted 5, by the records 6" in line for line in found.lines)
    assert any("in the run: 2;" in line for line in found.lines)


def test_a_counter_that_disagrees_beyond_the_gap_is_found_in_spite_of_a_restart() -> None:
    story = killed()
    story.logs.records.pop(0)
    story.logs.records.pop(0)
    found = story.reconciled()
    assert "✗ requests ok/stop: counted 4, by the records 3, 1 apart" in found.lines


@pytest.mark.parametrize("outcome", ["cut_off", "unreachable"])
def test_a_restart_explains_a_request_that_was_not_seen(outcome: str) -> None:
    story = killed()
    lost = story.lose(outcome=outcome, status=None)
    found = story.reconciled()
    assert found.unseen == (lost,) and not found.contradicted


def test_a_restart_explains_no_answer_without_a_record() -> None:
    story = killed()
    lost = story.lose()
    found = story.reconciled()
    assert found.unseen == (lost,) and found.contradicted


def test_a_request_that_its_client_left_may_have_died_with_the_server() -> None:
    story = Story()
    story.send()
    story.kill(**HUNG_UP)
    assert not story.reconciled().contradicted


def test_an_answer_may_be_whole_before_the_process_dies() -> None:
    story = Story()
    story.send()
    story.kill(outcome="ok", input_tokens=9, output_tokens=9)
    found = story.reconciled()
    assert not found.contradicted and len(found.killed) == 1


def test_without_the_process_starts_a_fall_is_a_restart_and_nothing_is_compared() -> None:
    story = killed()
    before, after = story.before or {}, story.exposed()
    del before[START], after[START]
    story.scrapes.silent = True
    (line,) = [
        line for line in story.reconciled(before=before, after=after).lines if "held" in line
    ]
    assert line.endswith("process_start_time_seconds is nowhere to be read")


def test_processes_that_only_prometheus_saw_start_are_told_apart() -> None:
    story = killed()
    before, after = story.before or {}, story.exposed()
    del before[START], after[START]
    found = story.reconciled(before=before, after=after)
    assert not found.contradicted
    assert any("requests ok/stop: counted 4, by the records 5" in line for line in found.lines)


@pytest.mark.parametrize("taken", ["span", "record", "both"])
def test_what_a_process_takes_with_it_contradicts_nothing_and_is_not_exact(taken: str) -> None:
    story = Story()
    story.send()
    story.scrape()
    last = story.send()
    story.kill()
    story.scrape()
    story.send()
    if taken != "record":
        del story.traces.spans[last]
    if taken != "span":
        story.logs.records = [r for r in story.logs.records if r.fields["trace_id"] != last]
    found = story.reconciled()
    assert not found.contradicted and not found.exact
    assert any(last in line for line in found.lines)


def test_a_span_that_is_missing_long_before_a_kill_is_a_contradiction() -> None:
    story = Story()
    first = story.send()
    story.now += 60 * 10**9
    story.send()
    story.scrape()
    story.kill()
    story.scrape()
    del story.traces.spans[first]
    assert story.reconciled().contradicted

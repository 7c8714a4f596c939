"""What of a past window can be repeated, with which lengths and which shared prefixes."""

import math
import random
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtest import plan as plans
from loadtest.generator import repeated
from loadtest.plan import Plan
from loadtest.replay.recorded import read, why_not
from loadtest.replay.served import Served
from loadtest.replay.window import moment, named
from loadtest.target import SettingsError
from server.record.request import Operation, Outcome, Parts
from stack.errors import Fault
from tests.unit.helpers import killed_record, record
from tests.unit.replaying import BEGAN, SERVED, planned, recorded, told

GONE = {"outcome": Outcome.ABORTED, "reason": "client_disconnect", "finish_reasons": ()}


def test_a_record_says_when_its_request_began_and_what_it_was() -> None:
    found = recorded(12.25, (100, 48, 20))
    assert found.started == pytest.approx(BEGAN + 12.25, abs=1e-6)
    assert (found.input, found.cached, found.output, found.stream) == (100, 48, 20, True)
    assert (found.duration, found.ttft, found.tpot, found.parts) == (1.0, 0.3, 0.03, 1)


def test_a_record_of_an_older_server_began_its_duration_before_its_end() -> None:
    new = told(record(started_ns=round(BEGAN * 1e9)))
    missing = ("started_unix_seconds", "engine_requests")
    old = replace(new, fields={k: v for k, v in new.fields.items() if k not in missing})
    assert read(old).started == pytest.approx(BEGAN, abs=0.01)


@pytest.mark.parametrize(
    ("changes", "tokens", "why"),
    [
        ({}, (100, 0, 20), ""),
        (GONE, (100, 0, 3), ""),
        ({"outcome": Outcome.TIMEOUT}, (100, 0, 3), ""),
        ({"operation": Operation.OTHER}, (0, 0, 0), "ran no model"),
        ({"operation": Operation.EMBEDDINGS}, (9, 0, 0), "no text: embeddings"),
        ({"parts": Parts(image=64)}, (100, 0, 20), "images"),
        ({"engine_requests": 3}, (100, 0, 20), "several"),
        ({"finish_reasons": ("stop", "stop"), "engine_requests": 0}, (100, 0, 20), "several"),
        ({"outcome": Outcome.CLIENT_ERROR}, (0, 0, 0), "refused"),
        ({"outcome": Outcome.SERVER_ERROR}, (100, 0, 3), "failed"),
        (GONE, (0, 0, 0), "before the engine had it"),
        ({"model": "other-model"}, (100, 0, 20), "of other-model"),
        ({}, (100, 0, 0), "none out"),
    ],
)
def test_what_cannot_be_repeated_says_why(
    changes: dict[str, Any], tokens: tuple[int, int, int], why: str
) -> None:
    found = why_not(recorded(tokens=tokens, **changes), SERVED.longest)
    assert (why in found) if why else not found


@pytest.mark.parametrize("lie", [-5, math.nan, math.inf, 10**400, True, "5"])
@pytest.mark.parametrize("what", ["input_tokens", "output_tokens", "duration_seconds"])
def test_a_number_that_cannot_be_is_none(what: str, lie: object) -> None:
    true = told(record(started_ns=round(BEGAN * 1e9)))
    found = read(replace(true, fields={**true.fields, what: lie}))
    assert why_not(found, SERVED.longest).endswith(("or none out", "its length is not known"))
    gone = replace(found, outcome="aborted", output=0)
    assert what == "output_tokens" or why_not(gone, SERVED.longest)


def test_a_plan_is_written_without_holding_all_of_its_text(tmp_path: Path) -> None:
    made = planned(*(recorded(at) for at in range(3000)))
    tracemalloc.start()
    try:
        plans.write(made, tmp_path / "plan.jsonl")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < (tmp_path / "plan.jsonl").stat().st_size
    assert plans.read(tmp_path / "plan.jsonl") == made


@pytest.mark.parametrize("field", ["model", "operation"])
def test_nothing_of_a_record_steers_a_terminal(field: str) -> None:
    found = replace(recorded(), **{field: "\x1b]0;x\x07"})
    assert why_not(found, SERVED.longest).isprintable()


def test_a_killed_request_has_no_length() -> None:
    assert "killed" in why_not(read(told(killed_record())), SERVED.longest)


def test_a_plan_has_each_request_at_its_moment_and_counts_the_others(tmp_path: Path) -> None:
    made = planned(
        recorded(3.0, (64, 0, 5), stream=False),
        recorded(4.5, (64, 0, 7), tenant="acme"),
        recorded(5.0, (80, 0, 2), duration_seconds=0.4, **GONE),
        recorded(6.0, operation=Operation.EMBEDDINGS),
    )
    assert [each.due for each in made.requests] == pytest.approx([0.0, 1.5, 2.0], abs=1e-6)
    assert [each.input for each in made.requests] == [64, 64, 80]
    assert [each.output for each in made.requests] == [5, 7, 2048 - 80]
    assert [each.hang_up for each in made.requests] == [None, None, 0.4]
    assert [each.stream for each in made.requests] == [False, True, True]
    assert made.requests[1].tenant == "acme"
    assert made.left_out == {"it generated no text: embeddings": 1}
    plans.write(made, tmp_path / "plan.jsonl")
    assert plans.read(tmp_path / "plan.jsonl") == made


@pytest.mark.parametrize("text", ["", "{}", '{"version":0}', "rubbish"])
def test_what_is_no_plan_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.jsonl").write_text(text)
    with pytest.raises(ValueError, match=r"no plan of this version: `make replay`"):
        plans.read(tmp_path / "plan.jsonl")


def test_a_window_without_a_record_is_no_load() -> None:
    with pytest.raises(Fault, match=r"no request_finished record in victorialogs from 2026-"):
        planned()


def test_records_of_another_model_are_named() -> None:
    with pytest.raises(Fault, match=r"none of 2 requests .*2: it was of old-model"):
        planned(recorded(0, model="old-model"), recorded(1, model="old-model"))


def test_what_the_model_cannot_take_is_said_before_it_is_sent() -> None:
    short = Served({"tiny-llama": 100}, 16, caches=True)
    with pytest.raises(Fault, match=r"1 requests are longer .* 120 tokens, the model 100"):
        planned(recorded(0, (80, 0, 20)), recorded(1, (100, 0, 20)), served=short)


def cached(made: Plan) -> list[int]:
    """What a cache of whole blocks that nothing leaves would hold of each prompt."""
    seen: set[tuple[int, ...]] = set()
    found = []
    for each in made.requests:
        ids = repeated.tokens(made, each)
        assert len(ids) == each.input
        blocks = [tuple(ids[:end]) for end in range(made.block, len(ids) + 1, made.block)]
        # The last token is computed in any case.
        hit = [one in seen for one in blocks if len(one) < len(ids)]
        found.append(made.block * (hit.index(False) if False in hit else len(hit)))
        seen.update(blocks)
    return found


def test_turns_of_a_conversation_share_what_was_said_before() -> None:
    made = planned(
        recorded(0, (70, 0, 5)),
        recorded(5, (120, 64, 5)),
        recorded(10, (200, 112, 5)),
        recorded(11, (90, 0, 5)),
    )
    assert cached(made) == [0, 64, 112, 0]
    assert (made.cached_recorded, made.cached_planned) == (176, 176)


def test_the_first_of_its_kind_and_one_beside_it_share_nothing() -> None:
    made = planned(recorded(0, (70, 64, 5)), recorded(0.1, (70, 64, 5)), recorded(5, (70, 64, 5)))
    assert cached(made) == [0, 0, 64]
    assert (made.cached_recorded, made.cached_planned) == (192, 64)


def test_a_server_without_a_prefix_cache_is_no_server_of_shares() -> None:
    kept = replace(SERVED, caches=False)
    assert (
        planned(recorded(0, (70, 0, 5)), recorded(5, (70, 64, 5)), served=kept).cached_planned == 0
    )


@pytest.mark.parametrize("seed", range(20))
def test_shared_is_what_a_cache_of_blocks_would_find(seed: int) -> None:
    dice = random.Random(seed)
    every = []
    for number in range(60):
        length = dice.randint(1, 400)
        share = dice.choice((0, 0, dice.randint(0, length - 1) // 16 * 16))
        every.append(recorded(2.0 * number, (length, share, dice.randint(1, 9))))
    made = planned(*every)
    assert sum(cached(made)) == made.cached_planned > 0
    assert all(found <= each.cached for found, each in zip(cached(made), every, strict=True))


def test_a_seed_is_one_load_and_another_seed_shares_nothing_with_it() -> None:
    made = planned(recorded(0, (400, 0, 5)))
    other = replace(made, seed=8)
    first, second = (repeated.tokens(each, each.requests[0]) for each in (made, other))
    assert first == repeated.tokens(made, made.requests[0])
    assert first[:16] != second[:16]
    assert {1000 <= each <= 3999 for each in first} == {True}


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", 910.0),
        ("1.5m", 910.0),
        ("1h", -2600.0),
        ("2d", -171_800.0),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T00:01:00", 60.0),
        ("1970-01-01T01:01:00+01:00", 60.0),
    ],
)
def test_a_window_is_so_long_ago_or_a_moment(text: str, at: float) -> None:
    assert moment("SINCE", text, 1000.0) == pytest.approx(at)
    assert moment("SINCE", named(at), 0.0) == pytest.approx(at)


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "yesterday",
        "h",
        "-1h",
        "1h ago",
        "20261128d",
        f"{10**30}d",
        "9999-12-31T23:00:00-23:00",
    ],
)
def test_what_is_no_time_says_what_is_one(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^UNTIL: .*say how long ago"):
        moment("UNTIL", text, 1000.0)

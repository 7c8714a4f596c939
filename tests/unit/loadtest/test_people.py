"""What the visitors of a load test ask: seeded, well formed, and wrong only where it is meant."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from loadtest.generator.people import PEOPLE, Visit, visit

MODEL = "tiny-llama"


def visits(count: int = 600, seed: int = 1) -> list[Visit]:
    return [visit(number, 0, seed, MODEL, ()) for number in range(count)]


def test_a_seed_is_one_run_and_another_seed_another() -> None:
    assert visits() == visits()
    assert visits(seed=2) != visits()


def test_every_kind_comes_about_as_often_as_it_should() -> None:
    assert sum(weight for weight, _ in PEOPLE.values()) == 100
    seen = Counter(each.kind for each in visits(2000))
    for kind, (weight, _) in PEOPLE.items():
        assert seen[kind] == pytest.approx(20 * weight, abs=60)


def test_what_is_meant_well_is_json_for_the_model_and_asks_for_usage() -> None:
    for each in visits():
        for ask in each.asks:
            if each.kind == "rubbish":
                assert ask.expected <= {400, 404}
                continue
            body = json.loads(ask.body)
            assert body["model"] == MODEL and body["max_tokens"] > 0
            assert body.get("stream", False) is ask.stream
            assert ask.expected == {200}
            if ask.stream:
                assert body["stream_options"] == {"include_usage": True}


def test_an_answer_may_end_by_itself_before_it_is_cut_short() -> None:
    """Else a load test's bill is all waste, and its lengths are the client's, not the model's."""
    for each in visits():
        if each.kind == "rubbish":
            continue
        bodies = [json.loads(ask.body) for ask in each.asks]
        assert all(body["min_tokens"] + 200 <= body["max_tokens"] for body in bodies)


def test_who_hangs_up_does_so_before_the_answer_can_end() -> None:
    asks = [ask for each in visits() if each.kind == "hang up" for ask in each.asks]
    assert all(ask.chunks < json.loads(ask.body)["min_tokens"] for ask in asks if ask.chunks)


def test_a_conversation_begins_each_turn_with_all_that_was_said() -> None:
    for each in visits():
        if each.kind != "conversation":
            continue
        turns = [json.loads(ask.body)["messages"] for ask in each.asks]
        assert len(turns) > 1
        for before, after in pairwise(turns):
            assert after[: len(before)] == before
        assert [ask.pause > 0 for ask in each.asks] == [False, *[True] * (len(turns) - 1)]


def test_lengths_spread_over_an_order_of_magnitude() -> None:
    streams = [each.asks[0] for each in visits() if each.kind == "streaming chat"]
    sizes = [len(ask.body) for ask in streams]
    assert max(sizes) - 150 > 10 * (min(sizes) - 150)


def test_tenants_are_drawn_and_their_keys_are_in_no_text() -> None:
    keys = (("acme", "key-of-acme"), ("globex", "key-of-globex"))
    found = [visit(number, 0, 1, MODEL, keys) for number in range(100)]
    assert {(each.tenant, each.key) for each in found} == set(keys)
    assert "key-of" not in repr(found)

"""Labels: whatever callers send, the set of values stays what it was at start."""

from server.signals.labels import MAX_VALUES, OTHER, Bounded


def test_known_values_stay_themselves() -> None:
    assert [Bounded(["a", "b"]).label(v) for v in ("a", "b")] == ["a", "b"]


def test_unknown_and_missing_become_other() -> None:
    labels = Bounded(["a"])
    assert [labels.label(v) for v in ("A", "", " a", None)] == [OTHER] * 4


def test_ten_thousand_values_make_two_labels() -> None:
    labels = Bounded(["value-7"])
    assert {labels.label(f"value-{n}") for n in range(10_000)} == {"value-7", "other"}


def test_the_known_set_is_capped_in_order_without_doubles() -> None:
    labels = Bounded(["a", "a", *(f"m{n}" for n in range(10_000))])
    assert len(labels.values) == MAX_VALUES == 50
    assert labels.values[:3] == ("a", "m0", "m1")
    assert (labels.label("m48"), labels.label("m49")) == ("m48", "other")


def test_other_is_one_of_the_served_only_where_it_is_shared() -> None:
    assert Bounded(["a", "b"]).used == ("a", "b")
    many = Bounded(f"m{n}" for n in range(MAX_VALUES + 1))
    assert many.used == (*many.values, OTHER)

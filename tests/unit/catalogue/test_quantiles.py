"""No latency quantile lies: known times through the real recorder, read as Prometheus does."""

import dataclasses
from bisect import bisect_left
from itertools import count, pairwise

import pytest
from prometheus_client import REGISTRY

from server.catalogue import own
from server.catalogue.grids import REQUEST_SECONDS
from server.catalogue.picture import CLIENT_DEFAULT
from server.catalogue.quantiles import (
    bucket_counts,
    exact_quantile,
    histogram_quantile,
    lognormal,
)
from server.record.request import Outcome
from server.signals import red
from tests.unit.exposed import record

NAME = own.REQUEST_DURATION.name
QUANTILES = (0.5, 0.95, 0.99)
models = (f"quantile-{number}" for number in count())


def recorded(times: list[float]) -> list[float]:
    """The buckets of the real histogram after requests of these durations."""
    model = next(models)
    plain = record(model, "default", Outcome.OK, "stop")
    for seconds in times:
        red.observe(dataclasses.replace(plain, duration_seconds=seconds, phases=()))
    found = {
        sample.labels["le"]: sample.value
        for family in REGISTRY.collect()
        if family.name == NAME
        for sample in family.samples
        if sample.name == f"{NAME}_bucket" and sample.labels["model"] == model
    }
    cumulative = [found[edge] for edge in sorted(found, key=float)]
    return [high - low for low, high in zip([0, *cumulative], cumulative, strict=False)]


def ratio_at(value: float) -> float:
    """The ratio of the edges between which the value lies."""
    index = bisect_left(REQUEST_SECONDS, value)
    return REQUEST_SECONDS[index] / REQUEST_SECONDS[index - 1]


@pytest.mark.parametrize("sigma", [0.75, 1.0, 1.25, 1.5])
@pytest.mark.parametrize("median", [0.2, 1.0, 5.0, 20.0, 60.0])
def test_within_10_percent_on_lognormal_load(median: float, sigma: float) -> None:
    times = lognormal(median, sigma)
    counts = recorded(times)
    for q in QUANTILES:
        read = histogram_quantile(q, REQUEST_SECONDS, counts)
        assert read == pytest.approx(exact_quantile(q, times), rel=0.1), q


@pytest.mark.parametrize("seconds", [0.05, 0.0501, 0.3, 1.0, 2.0, 7.3, 59.9, 60.1, 333.0, 600.0])
def test_within_the_ratio_of_neighbours_on_a_point_mass(seconds: float) -> None:
    counts = recorded([seconds] * 100)
    for q in QUANTILES:
        read = histogram_quantile(q, REQUEST_SECONDS, counts)
        assert 1 / ratio_at(seconds) <= read / seconds <= ratio_at(seconds)


@pytest.mark.parametrize(("fast", "slow"), [(0.05, 600.0), (0.08, 47.0), (0.9, 1.1), (3.0, 200.0)])
def test_within_the_ratio_of_neighbours_on_two_humps(fast: float, slow: float) -> None:
    times = [fast] * 600 + [slow] * 400
    counts = recorded(times)
    for q in QUANTILES:
        exact = exact_quantile(q, times)
        read = histogram_quantile(q, REQUEST_SECONDS, counts)
        assert 1 / ratio_at(exact) <= read / exact <= ratio_at(exact)


def test_the_stated_ratio_holds_from_the_fastest_to_the_deadline() -> None:
    inner = [edge for edge in REQUEST_SECONDS if 0.05 <= edge <= 600.0]
    assert max(high / low for low, high in pairwise(inner)) < 1.45


def test_default_buckets_would_have_said_10_s_for_ever() -> None:
    times = lognormal(60.0, 1.0)
    assert exact_quantile(0.99, times) > 300
    said = histogram_quantile(0.99, CLIENT_DEFAULT, bucket_counts(CLIENT_DEFAULT, times))
    assert said == 10.0


def test_above_the_last_edge_the_quantile_is_that_edge() -> None:
    assert histogram_quantile(0.99, (1.0, 2.0), [1, 1, 98]) == 2.0
    assert histogram_quantile(0.5, (1.0, 2.0), [2, 2, 0]) == 1.0
    assert histogram_quantile(0.75, (1.0, 2.0), [2, 2, 0]) == 1.5

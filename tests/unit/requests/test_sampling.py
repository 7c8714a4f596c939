"""Request parameters: numbers that OTLP can hold, and never a caller's text."""

import math
from types import SimpleNamespace

import pytest
from vllm.pooling_params import PoolingParams
from vllm.sampling_params import SamplingParams

from server.requests import sampling

SECRET = "a caller's own words"


def test_each_name_is_a_number_of_vllms_parameters() -> None:
    params = SamplingParams(
        n=2, max_tokens=7, temperature=0.5, top_p=0.9, top_k=3, seed=11, stop=[SECRET],
        frequency_penalty=0.25, presence_penalty=-0.25,
    )  # fmt: skip
    found = sampling.numbers(params)
    assert dict(found) == {
        "n": 2, "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "seed": 11,
        "frequency_penalty": 0.25, "presence_penalty": -0.25,
    }  # fmt: skip
    assert SECRET not in repr(found)


def test_what_is_not_set_is_absent() -> None:
    names = dict(sampling.numbers(SamplingParams()))
    assert "seed" not in names
    assert "temperature" in names


@pytest.mark.parametrize("params", [None, PoolingParams(), object()])
def test_other_parameters_have_none(params: object) -> None:
    assert sampling.numbers(params) == ()


@pytest.mark.parametrize(
    "value", [True, SECRET, math.nan, math.inf, -math.inf, 2**63, -(2**63), 10**400, [1]]
)
def test_what_no_store_can_hold_is_left_out(value: object) -> None:
    assert sampling.numbers(SimpleNamespace(seed=value)) == ()

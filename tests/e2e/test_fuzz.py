"""Odd and hostile bodies: the engine lives, each leaves a record, costs are tokens x price."""

import pytest

from stack.settings import Settings
from tests.bench import fuzz
from tests.e2e.client import API
from tests.e2e.stores import METRICS

pytestmark = pytest.mark.e2e
SEED, BODIES = 7, 100


def test_no_body_kills_the_engine_or_escapes_its_bill(stack: Settings) -> None:
    run = fuzz.Fuzz(API, METRICS)
    found = run.run(fuzz.bodies(run.model, SEED, BODIES))
    assert found.problems == []
    assert found.ends["ok"] > BODIES // 5, "hardly a body was served: the bill was not tried"

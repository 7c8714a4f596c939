"""Odd and hostile bodies: the engine lives, each leaves a record, costs are tokens x price."""

import pytest

from stack.settings import Settings
from tests.bench import fuzz
from tests.e2e.client import API
from tests.e2e.stores import METRICS

pytestmark = pytest.mark.e2e
SEED, BODIES = 7, 100
KNOWN = ("[a rule twice]", "[a rule of itself]", "[rules in a circle]", "[a schema of itself]")
"""Grammars that vLLM 0.32 finds out about in the engine, and answers with 500."""


def test_no_body_kills_the_engine_or_escapes_its_bill(stack: Settings) -> None:
    run = fuzz.Fuzz(API, METRICS)
    found = run.run(fuzz.bodies(run.model, SEED, BODIES))
    assert found.problems == []
    new = [failure for failure in found.failures if not any(name in failure for name in KNOWN)]
    assert new == [], "answered 5xx: if the caller's mistake, refuse it in front by name"
    assert found.ends["ok"] > BODIES // 5, "hardly a body was served: the bill was not tried"

"""Token counts of a span below a caller's, who may count the same tokens."""

import pytest

from server.record.request import Operation
from tests.unit.helpers import TRACE_ID, record
from tests.unit.signals.test_tracing import PARENT, Recorder

COUNTS = {"input_tokens": 100, "cache_read.input_tokens": 40, "output_tokens": 20}


@pytest.mark.parametrize("callers_count", [False, True])
@pytest.mark.parametrize("above", [False, True], ids=["root", "below a caller"])
def test_of_two_spans_that_count_the_same_tokens_ours_can_step_back(
    callers_count: bool, above: bool
) -> None:
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01"} if above else {}
    server, _ = Recorder(callers_count).tree(record(), headers)
    usage = "llm.usage" if callers_count and above else "gen_ai.usage"
    found = {n: v for n, v in (server.attributes or {}).items() if ".usage." in n}
    assert found == {f"{usage}.{name}": tokens for name, tokens in COUNTS.items()}


def test_what_runs_no_model_counts_nothing_below_a_caller_either() -> None:
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01"}
    server, _ = Recorder(True).tree(record(operation=Operation.OTHER), headers)
    assert not [name for name in server.attributes or {} if ".usage." in name]

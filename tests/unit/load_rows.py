"""Rows of a load test that several unit tests share."""

import dataclasses
from typing import Any

from loadtest.rows import MAIN, Row


def row(**changes: Any) -> Row:
    """A chat stream of 1 s, due at 0: first token after 0.3 s, eleven tokens in nine chunks."""
    plain = Row(
        kind="chat stream",
        stage=1,
        benchmark_phase=MAIN,
        worker_id=0,
        tenant="acme",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        intended_start_ns=0,
        request_start_ns=2_000_000,
        request_end_ns=1_000_000_000,
        outcome="ok",
        ended_as="200",
        provoked=False,
        status=200,
        first_token_ns=300_000_000,
        gaps_seconds=(0.125,) * 8,
        input_tokens=30,
        output_tokens=11,
        stream=True,
    )
    return dataclasses.replace(plain, **changes)

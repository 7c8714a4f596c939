"""Tells a caller where the time of its request went, if it asks: in the header server-timing."""

from collections.abc import Mapping

from server.record.request import RequestRecord

ASK_HEADER, ASK_VALUE = "x-llm-timing", "include"
"""A request that carries the header with this value is told."""
HEADER = "server-timing"
PHASES = ("queue", "prefill", "decode")
"""The engine's own, which are over when a whole answer begins; `deliver` is not."""


def asked(headers: Mapping[str, str]) -> bool:
    """True when the caller wants to know."""
    return headers.get(ASK_HEADER, "").strip().lower() == ASK_VALUE


def as_headers(record: RequestRecord) -> dict[str, str]:
    """The response header with each phase in milliseconds; none where no phase is known whole."""
    whole = {phase.name: phase.seconds for phase in record.phases if phase.complete}
    told = [f"{name};dur={whole[name] * 1000:.3f}" for name in PHASES if name in whole]
    return {HEADER: ", ".join(told)} if told else {}

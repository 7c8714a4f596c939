"""Parts of a request's usage that only vLLM can tell: what reasoned, what was no text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from server.record.request import Parts
from server.requests.engine_call import EngineCall

STATE_KEY = "request_metadata"
"""Where vLLM's routes keep what they know of a request, on `request.state`."""


def media_in(prompt: object) -> dict[str, int]:
    """Tokens by modality of an engine's input; empty for text alone."""
    if not isinstance(prompt, Mapping):
        return {}
    ranges: Mapping[str, Sequence[Any]] = prompt.get("mm_placeholders") or {}
    return {name: sum(each.length for each in places) for name, places in ranges.items() if places}


def reasoning_in(state: Mapping[str, Any]) -> int | None:
    """Reasoning tokens of a whole answer, as vLLM left them on the request's state."""
    usage = getattr(state.get(STATE_KEY), "final_usage_info", None)
    details = getattr(usage, "completion_tokens_details", None)
    found = getattr(details, "reasoning_tokens", None)
    return found if isinstance(found, int) else None


def parts(calls: Sequence[EngineCall], reasoning: int | None) -> Parts:
    """The parts of all calls of a request together."""
    media: Counter[str] = Counter()
    for call in calls:
        media.update(call.media)
    return Parts(reasoning, media.get("image"), media.get("audio"), media.get("video"))

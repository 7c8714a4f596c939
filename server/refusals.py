"""Bodies that would exhaust vLLM: refused in front, by name, before it has begun with them."""

from server.peek import Peek
from server.routes import Refusal

MAX_SEQUENCES = 1024
"""Most answers of one request.

vLLM 0.32 itself bounds `n` by 16,384 and the prompts of a batch not at all. It makes them all in
one go of the event loop (AsyncLLM.add_request), in which no other request is served, no deadline
passes and no metric is scraped, and keeps them all: https://github.com/vllm-project/vllm/issues/6646
"""


def refuse(peek: Peek | None) -> Refusal | None:
    """Why vLLM shall not see the body, None where it may."""
    if peek is None or peek.sequences <= MAX_SEQUENCES:
        return None
    message = f"At most {MAX_SEQUENCES} answers a request: prompts times `n` are more."
    return Refusal(400, "too_large", message)

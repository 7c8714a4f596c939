"""The ids of responses, which vLLM makes of ours and callers quote in their questions."""

from server.record.request import Operation

RESPONSES = "/v1/responses"
_PREFIXES = {
    Operation.CHAT: "chatcmpl-",
    Operation.TEXT_COMPLETION: "cmpl-",
    Operation.RERANK: "score-",
    Operation.SCORE: "score-",
    Operation.POOLING: "pooling-",
    Operation.CLASSIFY: "classify-",
}


def of_response(request_id: str) -> str:
    """The id of a response of /v1/responses, whose route does not ask for ours."""
    return f"resp_{request_id}"


def of(route: str, operation: Operation, request_id: str) -> str | None:
    """The id of a whole response, None where none has ours: that of embeddings vLLM invents."""
    if route == RESPONSES:
        return of_response(request_id)
    prefix = _PREFIXES.get(operation)
    return prefix and f"{prefix}{request_id}"

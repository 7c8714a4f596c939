"""Which spending bought no whole answer: each request is one kind of waste at most."""

from server.record.request import Outcome, RequestRecord

KINDS = ("aborted", "failed", "truncated", "retried")
"""In the order of precedence: what ended by force is that first, whatever else it was."""

_OUTCOMES = {
    Outcome.ABORTED: "aborted",
    Outcome.TIMEOUT: "aborted",
    Outcome.SERVER_ERROR: "failed",
}


def of(record: RequestRecord) -> str | None:
    """The kind of waste that the request's cost is, None where it bought a whole answer.

    A caller's retry that succeeds is waste as well: the same work was paid for once already.
    """
    if record.outcome is not Outcome.OK:
        return _OUTCOMES.get(record.outcome)
    if record.reason == "length":
        return "truncated"
    return "retried" if record.retry else None

"""Decides how a request ended; the HTTP status is asked last, because it lies."""

from dataclasses import dataclass

from server.record.request import Outcome

STATUS_REASONS = {
    401: "auth",
    403: "auth",
    404: "unknown_model",
    405: "method_not_allowed",
    413: "too_large",
}
"""Reasons of the 4xx that vLLM answers on the routes we let through; any other is bad_request."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What was seen of a request's end.

    `refusal` is our own reason for a 4xx, `hint` our reading of a body that vLLM then refused.
    `stream_error` is the status in an error event of a stream that had begun with 200.
    """

    timed_out: bool
    disconnected: bool
    refusal: str | None
    hint: str | None
    error: BaseException | None
    finish_reasons: tuple[str, ...]
    status_code: int | None
    response_complete: bool
    raised: bool
    stream_error: int | None = None


def decide(signs: Signs) -> tuple[Outcome, str]:
    """Outcome and reason: deadline, disconnect, refusal, engine error, finish, status."""
    if signs.timed_out:
        return Outcome.TIMEOUT, "deadline"
    if signs.disconnected:
        return Outcome.ABORTED, "client_disconnect"
    if signs.refusal is not None:
        return Outcome.CLIENT_ERROR, signs.refusal
    if signs.error is not None:
        return _of_error(signs.error)
    return _of_finish(signs) or _of_status(signs)


def _of_error(error: BaseException) -> tuple[Outcome, str]:
    names = {cls.__name__ for cls in type(error).__mro__}
    if "VLLMClientError" in names:
        return Outcome.CLIENT_ERROR, "bad_request"
    if "GracefulHTTPError" in names:
        return Outcome.SERVER_ERROR, "overloaded"
    if "EngineDeadError" in names:
        return Outcome.SERVER_ERROR, "engine_dead"
    return Outcome.SERVER_ERROR, "exception"


def _of_finish(signs: Signs) -> tuple[Outcome, str] | None:
    if "error" in signs.finish_reasons:
        return Outcome.SERVER_ERROR, "engine_error"
    if "abort" in signs.finish_reasons:
        return Outcome.ABORTED, "engine_abort"
    return None


def _of_status(signs: Signs) -> tuple[Outcome, str]:
    status = signs.stream_error or signs.status_code
    if signs.raised or status is None or status >= 500 or not signs.response_complete:
        return Outcome.SERVER_ERROR, "exception"
    if status >= 400:
        return Outcome.CLIENT_ERROR, signs.hint or STATUS_REASONS.get(status, "bad_request")
    return Outcome.OK, _of_success(signs.finish_reasons)


def _of_success(finish_reasons: tuple[str, ...]) -> str:
    if "length" in finish_reasons:
        return "length"
    return "stop" if finish_reasons else "complete"

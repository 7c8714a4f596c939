"""What failed inside a request: an exception's class and places, never its text."""

from dataclasses import dataclass

from server.signals import code_places as places

MAX_PLACES = 8
_WRAPPER = "EngineGenerateError"
"""AsyncLLM.generate raises it from whatever failed, and says nothing by itself."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Class and code locations, `file:line:function` with the innermost last."""

    error_type: str
    places: tuple[str, ...]


def read(error: BaseException) -> Failure:
    """Class and places of an exception, of its cause where it only wraps one."""
    if type(error).__name__ == _WRAPPER and error.__cause__ is not None:
        error = error.__cause__
    return Failure(places.class_name(error), places.of_traceback(error, MAX_PLACES))

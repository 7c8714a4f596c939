"""No hook of ours may break serving: what one raises is counted, logged once a kind, swallowed."""

import logging
from contextlib import AbstractContextManager
from functools import cache
from types import TracebackType

from server.signals import code_places
from server.signals.instruments import OBSERVER_ERRORS

_log = logging.getLogger(__name__)
_seen: set[tuple[str, str]] = set()

HOOKS = (
    "accept", "add_request", "begin", "begin_call", "cost", "cost_metrics", "end_call",
    "event_loop", "failure", "gpu", "in_flight", "journal", "leaving", "ledger", "logs", "output",
    "peek", "prices", "ready", "record", "recover", "red", "shutdown", "spend", "told", "tracing",
)  # fmt: skip
"""Every name that a hook is guarded by; tests hold the code to it."""


class _Guard(AbstractContextManager[None]):
    """One for each hook: a generator's context manager for each block costs four times as much."""

    def __init__(self, hook: str) -> None:
        self._hook = hook

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        failed(self._hook, error)
        return True


@cache
def guarded(hook: str) -> AbstractContextManager[None]:
    """Swallow what the block raises and count it in llm_observer_errors_total{hook}.

    Only the first error of a kind is logged, without its message, which may hold a prompt.
    """
    return _Guard(hook)


def failed(hook: str, error: Exception) -> None:
    """Count an error of a hook, for the places where a context manager is too slow."""
    OBSERVER_ERRORS.labels(hook).inc()
    _log_once(hook, type(error).__name__, error)


def _log_once(hook: str, kind: str, error: Exception) -> None:
    if (hook, kind) in _seen:
        return
    _seen.add((hook, kind))
    place = "".join(code_places.of_traceback(error, 1)) or "?"
    _log.error("observer hook %s failed with %s at %s; requests go on", hook, kind, place)


def create_label_sets() -> None:
    """Create a series for each hook: increase() cannot see a new series' first increment."""
    for hook in HOOKS:
        OBSERVER_ERRORS.labels(hook)

"""The routes a caller can reach; everything else that vLLM opens answers 404."""

from collections.abc import Collection
from dataclasses import dataclass

from server.record.request import Operation

READY = ("GET", "/ready")
"""Ours, answered before anything is observed of it."""
PROBES = frozenset({("GET", "/health"), ("GET", "/version"), READY})
"""Answered to anybody and left out of RED: a probe every few seconds would hide real traffic."""

CALLS = {
    ("GET", "/v1/models"): Operation.OTHER,
    ("POST", "/v1/chat/completions"): Operation.CHAT,
    ("POST", "/v1/completions"): Operation.TEXT_COMPLETION,
    ("POST", "/v1/embeddings"): Operation.EMBEDDINGS,
}
TOKENIZE = {("POST", "/tokenize"): Operation.OTHER, ("POST", "/detokenize"): Operation.OTHER}
NEEDS = {
    "/v1/embeddings": "embed",
    "/v1/chat/completions": "generate",
    "/v1/completions": "generate",
}
"""vLLM's task that the served model must support for the route."""


def below(root: str, path: str) -> str:
    """The path below --root-path, whether the proxy in front has taken that prefix off or not."""
    prefix = f"/{root.strip('/')}/"
    return path.removeprefix(prefix[:-1]) if len(prefix) > 2 and path.startswith(prefix) else path


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer given before vLLM is asked: the reason is a label, the message for people."""

    status: int
    reason: str
    message: str


class Routes:
    """Which method and path lead where for the served model."""

    def __init__(self, tasks: Collection[str], tokenize: bool) -> None:
        self._tasks = frozenset(tasks)
        self._calls = {**CALLS, **(TOKENIZE if tokenize else {})}
        self._paths = {path for _, path in (*PROBES, *self._calls)}

    def operation(self, method: str, path: str) -> Operation:
        """The operation of a call, `other` for what is none."""
        return self._calls.get((method, path), Operation.OTHER)

    @property
    def operations(self) -> frozenset[Operation]:
        """The operations by which a served model can be asked."""
        posts = (call for call in self._calls if call[0] == "POST")
        return frozenset(self._calls[call] for call in posts if self.refuse(*call) is None)

    def label(self, path: str) -> str:
        """The path when it is one of ours, else `other`: a path is the caller's text."""
        return path if path in self._paths else "other"

    def refuse(self, method: str, path: str) -> Refusal | None:
        """Why the method and path lead nowhere, None where they do."""
        if path not in self._paths:
            known = ", ".join(sorted(self._paths))
            return Refusal(404, "unknown_route", f"There is no such route. Routes: {known}.")
        if (method, path) not in PROBES and (method, path) not in self._calls:
            return Refusal(405, "method_not_allowed", f"{path} does not take {method[:16]}.")
        need = NEEDS.get(path)
        if need is not None and need not in self._tasks:
            message = f"The served model cannot do this: {path} needs the task '{need}'."
            return Refusal(400, "unsupported_operation", message)
        return None

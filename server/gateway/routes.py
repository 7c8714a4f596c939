"""The routes a caller can reach; everything else that vLLM opens answers 404."""

from collections.abc import Collection
from dataclasses import dataclass

from server.gateway import closed_routes
from server.record.request import Operation

READY = ("GET", "/ready")
"""Ours, answered before anything is observed of it."""
PROBES = frozenset({("GET", "/health"), ("GET", "/version"), READY})
"""Answered to anybody and left out of RED: a probe every few seconds would hide real traffic."""
RESPONSES, MESSAGES, COUNT_TOKENS = "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"

CALLS = {
    ("GET", "/v1/models"): Operation.OTHER,
    ("POST", "/v1/chat/completions"): Operation.CHAT,
    ("POST", "/v1/completions"): Operation.TEXT_COMPLETION,
    ("POST", RESPONSES): Operation.CHAT,
    ("POST", MESSAGES): Operation.CHAT,
    ("POST", COUNT_TOKENS): Operation.OTHER,
    ("POST", "/v1/embeddings"): Operation.EMBEDDINGS,
    ("POST", "/v1/rerank"): Operation.RERANK,
    ("POST", "/rerank"): Operation.RERANK,
    ("POST", "/score"): Operation.SCORE,
    ("POST", "/v1/score"): Operation.SCORE,
    ("POST", "/pooling"): Operation.POOLING,
    ("POST", "/classify"): Operation.CLASSIFY,
}
TOKENIZE = {("POST", "/tokenize"): Operation.OTHER, ("POST", "/detokenize"): Operation.OTHER}
_SCORES = "score"
NEEDS = {
    "/v1/chat/completions": "generate",
    "/v1/completions": "generate",
    RESPONSES: "generate",
    MESSAGES: "generate",
    COUNT_TOKENS: "generate",
    "/v1/embeddings": "embed",
    "/v1/rerank": _SCORES,
    "/rerank": _SCORES,
    "/score": _SCORES,
    "/v1/score": _SCORES,
    "/pooling": "pooling",
    "/classify": "classify",
}
"""What the served model must be able to do for the route (server/engine_client/abilities.py)."""
MEANING = {
    "generate": "the task 'generate'",
    "embed": "the task 'embed'",
    "classify": "the task 'classify'",
    "pooling": "a pooling task, such as 'embed' or 'classify'",
    _SCORES: "the task 'embed' or 'token_embed', or 'classify' with one label",
}
"""What each of these is to people."""


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
    """Which method and path lead where for a served model that has these abilities."""

    def __init__(self, abilities: Collection[str], tokenize: bool) -> None:
        self._abilities = frozenset(abilities)
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
            return self._unknown(path)
        if (method, path) not in PROBES and (method, path) not in self._calls:
            return Refusal(405, "method_not_allowed", f"{path} does not take {method[:16]}.")
        need = NEEDS.get(path)
        if need is not None and need not in self._abilities:
            message = f"The served model cannot do this: {path} needs {MEANING[need]}."
            return Refusal(400, "unsupported_operation", message)
        return None

    def _unknown(self, path: str) -> Refusal:
        why = closed_routes.why(path)
        said = f"There is no such route: {why}" if why else "There is no such route"
        known = ", ".join(sorted(self._paths))
        return Refusal(404, "unknown_route", f"{said}. Routes: {known}.")

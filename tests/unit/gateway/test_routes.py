"""Routes: only what a caller needs is reachable, and the path label is bounded."""

import pytest

from server.gateway.routes import Routes
from server.record.request import Operation, Outcome
from server.signals import red

GENERATE = Routes(["generate"], tokenize=False)


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/v1/chat/completions", Operation.CHAT),
        ("POST", "/v1/completions", Operation.TEXT_COMPLETION),
        ("POST", "/v1/responses", Operation.CHAT),
        ("POST", "/v1/messages", Operation.CHAT),
        ("POST", "/v1/messages/count_tokens", Operation.OTHER),
        ("GET", "/v1/models", Operation.OTHER),
        ("GET", "/health", Operation.OTHER),
        ("GET", "/version", Operation.OTHER),
    ],
)
def test_open_routes(method: str, path: str, operation: Operation) -> None:
    assert GENERATE.refuse(method, path) is None
    assert GENERATE.operation(method, path) is operation
    assert GENERATE.label(path) == path


@pytest.mark.parametrize(
    "path",
    ["/", "/metrics", "/invocations", "/tokenize", "/detokenize", "/pause", "/load", "/docs",
     "/v1/responses/resp_1", "/v2/rerank", "/v1/audio/transcriptions",
     "/v1/chat/completions/", "/v1/chat/completions/render", "/V1/MODELS",
     "/inference/v1/generate", "/scale_elastic_ep", "/v1//chat/completions"],
)  # fmt: skip
def test_everything_else_is_404(path: str) -> None:
    refusal = GENERATE.refuse("POST", path)
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (404, "unknown_route")
    assert "/v1/chat/completions" in refusal.message
    assert GENERATE.label(path) == "other"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/chat/completions"), ("POST", "/health"), ("HEAD", "/health"),
     ("DELETE", "/v1/models")],
)  # fmt: skip
def test_a_wrong_method_is_405(method: str, path: str) -> None:
    refusal = GENERATE.refuse(method, path)
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (405, "method_not_allowed")
    assert method in refusal.message
    assert GENERATE.operation(method, path) is Operation.OTHER


def test_a_long_method_is_cut() -> None:
    refusal = GENERATE.refuse("X" * 1000, "/health")
    assert refusal is not None
    assert "X" * 16 in refusal.message
    assert "X" * 17 not in refusal.message


def test_tokenize_opens_when_asked_for() -> None:
    routes = Routes(["generate"], tokenize=True)
    assert routes.refuse("POST", "/tokenize") is None
    assert routes.refuse("POST", "/detokenize") is None


@pytest.mark.parametrize(
    ("tasks", "path", "need"),
    [(["generate"], "/v1/embeddings", "embed"), (["embed"], "/v1/chat/completions", "generate"),
     (["embed"], "/v1/completions", "generate"), (["embed"], "/v1/responses", "generate"),
     (["embed"], "/v1/messages", "generate"), (["embed"], "/v1/messages/count_tokens", "generate"),
     (["generate"], "/v1/rerank", "token_embed"), (["classify"], "/rerank", "token_embed"),
     (["generate"], "/score", "token_embed"), (["classify"], "/v1/score", "token_embed"),
     (["generate"], "/pooling", "embed"), (["embed", "pooling", "score"], "/classify", "classify")],
)  # fmt: skip
def test_what_the_model_cannot_do_is_refused_with_the_task(
    tasks: list[str], path: str, need: str
) -> None:
    refusal = Routes(tasks, tokenize=False).refuse("POST", path)
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (400, "unsupported_operation")
    assert f"'{need}'" in refusal.message


def test_embeddings_are_open_for_an_embedding_model() -> None:
    routes = Routes(["embed"], tokenize=False)
    assert routes.refuse("POST", "/v1/embeddings") is None
    assert routes.operation("POST", "/v1/embeddings") is Operation.EMBEDDINGS


def test_every_reason_is_a_known_label() -> None:
    asked = [("GET", "/nope"), ("GET", "/v1/completions"), ("POST", "/v1/embeddings")]
    refusals = [GENERATE.refuse(method, path) for method, path in asked]
    reasons = {refusal.reason for refusal in refusals if refusal}
    assert len(reasons) == 3
    assert reasons <= set(red.REASONS[Outcome.CLIENT_ERROR])


def test_a_served_model_is_asked_by_the_operations_that_are_open() -> None:
    assert GENERATE.operations == {Operation.CHAT, Operation.TEXT_COMPLETION, Operation.OTHER}
    assert Routes(["embed"], tokenize=False).operations == {Operation.EMBEDDINGS}
    assert Routes(["embed"], tokenize=True).operations == {Operation.EMBEDDINGS, Operation.OTHER}
    assert Routes(["classify", "pooling", "score"], tokenize=False).operations == {
        Operation.CLASSIFY, Operation.POOLING, Operation.RERANK, Operation.SCORE,
    }  # fmt: skip

"""The outermost ASGI middleware: every HTTP request passes here first and last."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.gateway import answers
from server.gateway.cors import Cors
from server.gateway.exchange import Exchange
from server.gateway.gate import Gate
from server.gateway.routes import READY, below
from server.readiness.state import Readiness
from server.signals import serving

_gate: Gate | None = None


def install(gate: Gate) -> None:
    """Name what the middleware goes by: vLLM makes the middleware from its path alone."""
    global _gate
    _gate = gate


class Middleware:
    """Observes HTTP, closes websockets, lets the lifespan pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Outermost: a page can read our own refusals too, and a preflight is no request.
        self._http = (_gate.cors if _gate else Cors()).around(self._observe)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, _noting_start(send))
            return
        serving.begin()
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "HTTP only"})

    async def _observe(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _gate is None:
            await _answer_unobserved(send)
            return
        path = below(scope.get("root_path", ""), scope["path"])
        # What was judged is what vLLM's router sees: it would take the prefix off once more.
        scope = {**scope, "path": path, "root_path": ""}
        if scope["method"] == "HEAD" and _gate.routes.refuse("GET", path) is None:
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        if (scope["method"], path) == READY:
            await _answer_ready(_gate.readiness, send)
            return
        await Exchange(_gate, self._app, scope, receive, send).run()


def _noting_start(send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete" and _gate is not None:
            _gate.readiness.start()
        await send(message)

    return noting


async def _answer_ready(readiness: Readiness, send: Send) -> None:
    said = readiness.answer()
    for each in answers.to_probe(200 if said["ready"] else 503, said):
        await send(each)


def _without_body(send: Send) -> Send:
    async def bare(message: Message) -> None:
        is_body = message["type"] == "http.response.body"
        await send({**message, "body": b""} if is_body else message)

    return bare


async def _answer_unobserved(send: Send) -> None:
    # Without an observer nothing is checked, keys included: no route of vLLM may be open then.
    message = "Nothing observes this server: start it with python -m server."
    for each in answers.error(503, message, "not_observed", {}):
        await send(each)

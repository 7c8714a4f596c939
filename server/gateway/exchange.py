"""One HTTP request and its response, observed from its first byte to its last."""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.gateway import answers, caller_id, refusals, stream_errors
from server.gateway.connection import DISCONNECT, LAST_WORDS_SECONDS, Caller, CallerGoneError
from server.gateway.gate import Gate
from server.gateway.routes import PROBES, Refusal
from server.gateway.telling import Telling, is_stream
from server.requests.body_peek import look
from server.requests.live_request import CURRENT, LiveRequest
from server.signals.hook_errors import guarded

LISTEN_SECONDS, UNWIND_SECONDS = 1.0, 5.0
"""How long an application that was told that its caller is gone may go on sending, and running."""
_DRAIN_FACTOR = 4
_OURS = frozenset({caller_id.ON_THE_WIRE, b"traceparent", b"tracestate", b"baggage"})
"""Headers that vLLM does not get: it gets our id, and its own spans would stand beside ours."""


class Exchange:
    """One HTTP request and its response."""

    def __init__(
        self, gate: Gate, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._gate = gate
        self._observer = gate.observer
        self._app = app
        self._scope = scope
        self._body: bytes | None = b""
        self._started = False
        self._headers = _first_of_each(scope["headers"])
        self._method: str = scope["method"]
        self._path: str = scope["path"]
        self.live: LiveRequest = gate.begin(self._method, self._path, self._headers)
        self.live.scheme, self.live.listener = scope.get("scheme"), scope.get("server")
        self.live.caller_request_id = caller_id.read(scope["headers"])
        deadline = self.live.started + gate.settings.deadline_seconds
        self._caller = Caller(self.live, receive, deadline)
        self._send = send
        self._telling = Telling.asked(gate, self.live, self._headers)

    async def run(self) -> None:
        """Serve the request; whatever happens, it is recorded once."""
        token = CURRENT.set(self.live)
        try:
            await self._serve()
        except Exception as error:
            self.live.raised = True
            with guarded("failure"):
                self.live.fail(error)
            await self._answer_error(*answers.of_exception(self.live.error or error))
        finally:
            if self.live.ended is None:
                self.live.ended = time.monotonic()
            await self.live.settle()
            self._observer.finish(self.live, probe=(self._method, self._path) in PROBES)
            CURRENT.reset(token)

    async def _serve(self) -> None:
        refusal = self._refuse() or await self._read_body()
        if refusal is not None:
            await self._answer_refusal(refusal)
            return
        if not self.live.disconnected and not self.live.timed_out:
            await self._forward()
        if self.live.timed_out and not self.live.response_complete:
            await self._answer_timeout()
            self.live.ended = time.monotonic()
            await self._caller.cut_unless_read()

    async def _forward(self) -> None:
        peek = None
        with guarded("peek"):
            peek = look(self._body or b"") if self._method == "POST" else None
        refusal = refusals.refuse(peek, self._path) or refusals.refuse_headers(self._headers)
        if refusal is not None:
            await self._answer_refusal(refusal)
            return
        with guarded("accept"):
            self._observer.accept(self.live, peek)
        await self._run_app()

    async def _run_app(self) -> None:
        # Deadline and disconnect are ours: no application has to ask for them, and none that is
        # stuck, in a send to a caller that does not read above all, keeps the request open.
        app = asyncio.create_task(self._call_app())
        app.add_done_callback(_retrieve)
        watch = asyncio.create_task(self._caller.watch())
        try:
            await asyncio.wait((app, watch), return_when=asyncio.FIRST_COMPLETED)
            await _unwind(app)
        except asyncio.CancelledError:
            self._caller.gone.set()
            asyncio.get_running_loop().call_later(UNWIND_SECONDS, app.cancel)
            raise
        finally:
            watch.cancel()
        if app.done() and not self._caller.gone.is_set():
            # Raises what the application raised.
            app.result()

    async def _call_app(self) -> None:
        try:
            await self._app(self._inner_scope(), self._inner_receive, self._inner_send)
        except asyncio.CancelledError as error:
            if self._caller.gone.is_set():
                raise
            raise RuntimeError("the application cancelled itself") from error

    def _refuse(self) -> Refusal | None:
        return self._gate.refuse(self._method, self._path, self._headers)

    async def _read_body(self) -> Refusal | None:
        limit = self._gate.settings.max_body_bytes
        chunks, size, more = [], 0, self._method == "POST"
        while more:
            message = await self._caller.receive()
            if message["type"] != "http.request":
                break
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
            elif size > limit * _DRAIN_FACTOR:
                break
            more = message.get("more_body", False)
        self._body = b"".join(chunks)
        if size <= limit:
            return None
        # The rest was read and dropped: a client still sending would see a reset and no reason.
        return Refusal(413, "too_large", f"The body is larger than {limit} bytes.")

    async def _inner_receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._caller.gone.wait()
        return DISCONNECT

    def _inner_scope(self) -> Scope:
        headers = [header for header in self._scope["headers"] if header[0] not in _OURS]
        headers.append((caller_id.ON_THE_WIRE, self.live.request_id.encode()))
        # Ours to read when the request is over: vLLM leaves there what it knows of its usage.
        self.live.state.update(self._scope.get("state") or {})
        return {**self._scope, "headers": headers, "state": self.live.state}

    def _inner_send(self, message: Message) -> Awaitable[None]:
        # No coroutine, and no frame of ours but the last: of a token's CPU time this is a part.
        live = self.live
        if live.timed_out or live.disconnected:
            return _unheard(message)
        if live.stream and live.stream_error is None:
            live.stream_error = stream_errors.code_in(message.get("body", b""))
        send = self._send if message.get("more_body") else self._outer_send
        return _told(self._telling, message, send) if self._telling else send(message)

    async def _outer_send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            self.live.status_code = message["status"]
            if message["status"] < 400:
                self.live.stream = is_stream(message)
            message = answers.with_headers(message, self._our_headers())
        # Waits as long as the caller does not read.
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            # After it was taken: a last piece that nobody reads is no complete answer.
            self.live.response_complete = not self.live.disconnected
            self.live.ended = time.monotonic()

    def _our_headers(self) -> dict[str, str]:
        trace, span = self.live.trace_id, self.live.span_id
        ours = {"x-trace-id": trace, "traceresponse": f"00-{trace}-{span}-01"}
        given = self.live.caller_request_id
        return {**ours, caller_id.HEADER: given} if given else ours

    async def _answer_refusal(self, refusal: Refusal) -> None:
        self.live.refusal = refusal.reason
        headers = {"connection": "close"} if refusal.status == 413 else {}
        if refusal.status == 401:
            headers["www-authenticate"] = "Bearer"
        await self._answer(refusal.status, refusal.message, refusal.reason, headers)

    async def _answer_timeout(self) -> None:
        seconds = self._gate.settings.deadline_seconds
        message = f"The request ran past its deadline of {seconds:g} s and was ended."
        await self._answer_error(504, message, "deadline")

    async def _answer_error(self, status: int, message: str, reason: str) -> None:
        if not self._started:
            await self._answer(status, message, reason, {})
        elif not self.live.response_complete:
            event = answers.error_event(status, message, reason, self._path)
            await self._say({"type": "http.response.body", "body": event})

    async def _answer(
        self, status: int, message: str, reason: str, headers: Mapping[str, str]
    ) -> None:
        await self._say(*answers.error(status, message, reason, headers, self._path))

    async def _say(self, *messages: Message) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                for message in messages:
                    await self._outer_send(message)
        except TimeoutError:
            self._caller.cut()


async def _told(telling: Telling, message: Message, send: Send) -> None:
    await send(await telling.into(message))


async def _unheard(message: Message) -> None:
    if message.get("more_body"):
        # Who listens is cancelled here in a moment; who does not is told by the error.
        await asyncio.sleep(LISTEN_SECONDS)
        raise CallerGoneError


async def _unwind(app: asyncio.Task[None]) -> None:
    """Give the application its time to end, then cancel it: that orphans what it awaits."""
    if not app.done():
        await asyncio.wait((app,), timeout=UNWIND_SECONDS)
    if not app.done():
        app.cancel()
        await asyncio.wait((app,), timeout=LISTEN_SECONDS)


def _first_of_each(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    # Once, not a look at all of them for each that is asked for. The first wins, as in Starlette.
    backwards = reversed([*headers])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in backwards}


def _retrieve(app: asyncio.Task[None]) -> None:
    # Or asyncio logs an error that nobody asked for, with its text.
    if not app.cancelled():
        app.exception()

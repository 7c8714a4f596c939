"""CORS: which web pages may ask this server; by default none."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.gateway import caller_id, timing_told
from server.gateway.cost_told import HEADERS
from server.settings import SettingsError

EXPOSED = ("x-trace-id", "traceresponse", caller_id.HEADER, timing_told.HEADER, *HEADERS)
"""Headers of ours that a page may read."""
_VARY = (b"vary", b"Origin")
_LISTS = ("allowed_origins", "allowed_methods", "allowed_headers")


@dataclass(frozen=True, slots=True)
class Cors:
    """The values of vLLM's flags; without an origin no page may ask.

    A page needs a preflight to send JSON, and vLLM takes nothing else: who is refused there cannot
    spend the tokens of a server on its visitor's own machine.
    """

    origins: Sequence[str] = ()
    methods: Sequence[str] = ("*",)
    headers: Sequence[str] = ("*",)
    credentials: bool = False

    @classmethod
    def taken_from(cls, args: Namespace) -> Self:
        """Take the flags away from vLLM, whose own CORS stands inside of our refusals.

        Raises SettingsError for a list that is none: in a text, each part of it would be allowed.
        """
        for name in _LISTS:
            value = getattr(args, name)
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                flag = "--" + name.replace("_", "-")
                fix = """must be a JSON list of texts: '["https://app.example"]'"""
                raise SettingsError("command line", flag, fix)
        origins, methods, headers = (tuple(getattr(args, name)) for name in _LISTS)
        found = cls(origins, methods, headers, args.allow_credentials)
        args.allowed_origins, args.allow_credentials = [], False
        return found

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application behind preflights, every answer of it with CORS headers."""
        return _Outermost(
            app,
            allow_origins=self.origins,
            allow_methods=self.methods,
            allow_headers=self.headers,
            allow_credentials=self.credentials,
            # A page of an allowed origin may well be in another network than this machine.
            allow_private_network=True,
            expose_headers=EXPOSED,
        )


class _Outermost(CORSMiddleware):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; of who is no page each token takes the short way."""
        if "origin" in Headers(scope=scope):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def send(self, message: Message, send: Send, request_headers: Headers) -> None:
        """Send the message; vLLM's own CORS inside has said that answers vary by origin."""
        if message["type"] == "http.response.start":
            kept = [header for header in message.get("headers", ()) if header != _VARY]
            message = {**message, "headers": kept}
        await super().send(message, send, request_headers)

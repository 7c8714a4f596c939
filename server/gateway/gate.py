"""What the gateway goes by: who may ask for what, and who observes it."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.gateway.api_keys import Tenants
from server.gateway.cors import Cors
from server.gateway.routes import PROBES, Refusal, Routes
from server.readiness.state import Readiness
from server.requests.lifecycle import Observer
from server.requests.live_request import LiveRequest
from server.settings import Settings
from server.signals.hook_errors import guarded


@dataclass(frozen=True, slots=True)
class Gate:
    """Opens for a known caller to a known route; one object per process."""

    observer: Observer
    routes: Routes
    tenants: Tenants
    settings: Settings
    cors: Cors
    readiness: Readiness

    def begin(self, method: str, path: str, headers: Mapping[str, str]) -> LiveRequest:
        """Begin a request, whoever asks for whatever."""
        route, operation = self.routes.label(path), self.routes.operation(method, path)
        tenant = None
        with guarded("begin"):
            tenant = self.tenants.of(_authorization(headers))
        return self.observer.begin(method, route, operation, headers, tenant)

    def refuse(self, method: str, path: str, headers: Mapping[str, str]) -> Refusal | None:
        """Why the request leads nowhere or the caller may not ask, None where both are fine."""
        refusal = self.routes.refuse(method, path)
        if refusal is not None or (method, path) in PROBES:
            return refusal
        if self.tenants.of(_authorization(headers)) is not None:
            return None
        return Refusal(401, "auth", "Send a known API key: 'Authorization: Bearer <key>'.")


def _authorization(headers: Mapping[str, str]) -> str | None:
    # Anthropic's clients send their key without a scheme.
    given = headers.get("authorization")
    if given is not None:
        return given
    key = headers.get("x-api-key")
    return None if key is None else f"Bearer {key}"

"""One request as its client saw it: no prompt, no answer, only what can be compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field

REQUEST_ID, TRACE_ID = "x-request-id", "x-trace-id"


@dataclass(frozen=True)
class Usage:
    """Tokens as the client counts them; `cached` is None where it was not told."""

    input: int
    output: int
    cached: int | None = None


@dataclass(frozen=True)
class Want:
    """How a request should end: on the client by status, on the server by outcome and reason.

    One that does not arrive leaves no record: the browser did not send it.
    """

    status: int
    outcome: str
    reasons: frozenset[str]
    has_usage: bool = False
    arrives: bool = True


ANSWERED = Want(200, "ok", frozenset({"stop", "length"}), has_usage=True)
COUNTED = Want(200, "ok", frozenset({"complete"}))
LEFT = Want(200, "aborted", frozenset({"client_disconnect"}))
NO_KEY = Want(401, "client_error", frozenset({"auth"}))
TOO_LONG = Want(400, "client_error", frozenset({"bad_request"}))
STOPPED = Want(0, "", frozenset(), arrives=False)


@dataclass
class Said:
    """One request: the id that it was sent with, and what the client was told.

    `headers` are those of the answer where the client shows them, else empty; `refusals` are the
    names of the client's error and of what it derives from, the narrowest first; `fault` says in
    words what the client itself found wrong.
    """

    caller_id: str
    want: Want
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    usage: Usage | None = None
    refusals: tuple[str, ...] = ()
    fault: str = ""

    @property
    def trace_id(self) -> str:
        """The trace that the answer names, empty where the client does not show it."""
        return self._header(TRACE_ID)

    @property
    def own_id_back(self) -> str:
        """The request's id as the answer has it, empty where it has none."""
        return self._header(REQUEST_ID)

    def _header(self, name: str) -> str:
        # A gateway in front hands on what it was told under a name of its own.
        return self.headers.get(name) or self.headers.get(f"llm_provider-{name}", "")

    @property
    def own_id(self) -> dict[str, str]:
        """The header that gives the request its id."""
        return {REQUEST_ID: self.caller_id}

    def answered(self, headers: Mapping[str, str], status: int = 200) -> None:
        """Keep status and headers, whose names are in lower case from now on."""
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}

    def check(self, holds: bool, what: str) -> None:
        """Keep the first thing that the client did not find as it should be."""
        if not holds and not self.fault:
            self.fault = what

    def check_refused(self, name: str) -> None:
        """The client's error is this one, or one that derives from it."""
        self.check(name in self.refusals, f"refused as {self.refusal or 'nothing'}, not {name}")

    @property
    def refusal(self) -> str:
        """The client's own name of its error, empty without one."""
        return next(iter(self.refusals), "")

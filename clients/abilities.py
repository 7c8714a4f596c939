"""What the running server can be asked, found out before any client talks."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from clients import script
from clients.conversation import Place
from clients.talks import browser
from stack.errors import Fault
from stack.http import UNREADABLE

START = "docs/clients.md says how to start it so that every cell can be asked"
NO_KEYS = "the server has no keys"
NO_PAGE = f"""the server runs without --allowed-origins '["{browser.ORIGIN}"]'"""
NO_TOOLS = "the server runs without --tool-call-parser"
NO_CALL = "the model calls no tool, even where it has to"
NO_END = "the model fills its JSON with blanks and ends none"
_CUT = '"finish_reason": "length"'
CHAT = "/v1/chat/completions"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Answer:
    """Status, headers in lower case, and the JSON of one call, {} where there is none."""

    status: int
    headers: dict[str, str]
    json: Any


def call(
    url: str, headers: dict[str, str], body: dict[str, Any] | None = None, method: str = ""
) -> Answer:
    """One call of the server; raises Fault where it does not answer."""
    text = None if body is None else json.dumps(body).encode()
    named = {"content-type": "application/json", **headers}
    request = urllib.request.Request(url, text, named, method=method or None)
    try:
        with _OPENER.open(request, timeout=120) as answer:
            return _read(answer)
    except urllib.error.HTTPError as error:
        with error:
            return _read(error)
    except OSError as error:
        raise Fault(f"{url} does not answer ({error})", f"`make up`; {START}") from error


def _read(answer: Any) -> Answer:
    try:
        found = json.loads(answer.read())
    except ValueError:
        found = {}
    return Answer(answer.status, {n.lower(): v for n, v in answer.headers.items()}, found)


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key, none without one."""
    return {"authorization": f"Bearer {key}"} if key else {}


def find(api: str, key: str, run: str) -> tuple[Place, bool]:
    """The place to talk to, and whether the server has keys; raises Fault."""
    has_keys = call(f"{api}/v1/models", {}).status == 401
    if has_keys and not key:
        raise Fault(
            "the server has keys", "API_KEY=<a key> make clients (`make key TENANT=clients`)"
        )
    answer = call(f"{api}/v1/models", bearer(key))
    if answer.status != 200:
        raise Fault(f"the server refuses API_KEY with {answer.status}", START)
    try:
        model = answer.json["data"][0]
        return Place(api, key, model["id"], int(model["max_model_len"]), run), has_keys
    except UNREADABLE as error:
        raise Fault(f"{api}/v1/models is no list of models", "is the server ours?") from error


def lacks(place: Place, has_keys: bool) -> dict[str, str]:
    """By feature, or by `browser`, why it cannot be asked of this server."""
    found = {
        "wrong-key": "" if has_keys else NO_KEYS,
        "browser": "" if _knows_page(place) else NO_PAGE,
        "tools": _tools(place),
        "structured": "" if _ends_json(place) else NO_END,
    }
    return {name: why for name, why in found.items() if why}


def _knows_page(place: Place) -> bool:
    asked = {"origin": browser.ORIGIN, "access-control-request-method": "POST"}
    headers = call(f"{place.api}{CHAT}", asked, method="OPTIONS").headers
    return headers.get("access-control-allow-origin") in (browser.ORIGIN, "*")


def _chat(place: Place, **fields: Any) -> Answer:
    asked = [{"role": "user", "content": script.QUESTION}]
    body = {"model": place.model, "messages": asked, **fields}
    return call(f"{place.api}{CHAT}", bearer(place.key), body)


def _tools(place: Place) -> str:
    fields = {"tools": [script.FUNCTION], "tool_choice": script.CHOICE}
    said = json.dumps(_chat(place, max_tokens=script.MANY_TOKENS, **fields).json)
    if "--tool-call-parser" in said:
        return NO_TOOLS
    return NO_CALL if _CUT in said else ""


def _ends_json(place: Place) -> bool:
    schema = {"name": "trip", "schema": script.Trip.model_json_schema()}
    form = {"type": "json_schema", "json_schema": schema}
    answer = _chat(place, response_format=form, max_tokens=script.MANY_TOKENS)
    # Whatever else is wrong with the answer, the clients will say.
    return _CUT not in json.dumps(answer.json)


def engine(place: Place) -> str:
    """The version of vLLM that serves."""
    found = call(f"{place.api}/version", {}).json
    return str(found.get("version", "unknown")) if isinstance(found, dict) else "unknown"

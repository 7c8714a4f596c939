"""What the server that is to repeat a window can do: models, longest prompt, blocks, keys."""

import json
import re
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError

from loadtest.plan import REST
from loadtest.target import Keys
from stack.errors import Fault

SECONDS = 30.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_BLOCK = re.compile(r'^vllm:cache_config_info\{.*\bblock_size="(\d+)"', re.MULTILINE)
_CACHES = re.compile(r'^vllm:cache_config_info\{.*\benable_prefix_caching="True"', re.MULTILINE)


@dataclass(frozen=True)
class Served:
    """The longest prompt with its answer of each model, in tokens; the prefix cache's block.

    `caches` is False where the server keeps no prefixes.
    """

    longest: Mapping[str, int]
    block: int
    caches: bool


class _Status(Exception):  # noqa: N818, it says what happened
    """The server answered with this status, which is not 2xx."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def ask(url: str, metrics_url: str, keys: Keys) -> Served:
    """What the server says of itself; raises Fault with what to mend."""
    key = dict(keys).get(REST) or (keys[0][1] if keys else "")
    try:
        longest = _longest(url, _text(f"{url}/v1/models", key))
        page = _text(metrics_url, "")
    except _Status as status:
        raise _fault(url, status.status) from status
    block = _BLOCK.search(page)
    if block is None:
        raise Fault(f"{metrics_url} has no vllm:cache_config_info", "name it in METRICS_URL")
    return Served(longest, int(block[1]), _CACHES.search(page) is not None)


def _longest(url: str, text: str) -> dict[str, int]:
    try:
        listed = json.loads(text)["data"]
        return {str(each["id"]): int(each.get("max_model_len") or 0) for each in listed}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        said = f"{url} lists no models at /v1/models, so it is no server of them"
        raise Fault(said, "name it in URL") from error


def check(url: str, model: str, tenants: Iterable[str], keys: Keys, highest: int) -> None:
    """Raise Fault where a tenant would be refused, or the model has no such token id.

    One request of one token for each key: what is wrong is said before anything is repeated.
    """
    known = dict(keys)
    body = {"model": model, "prompt": [highest], "max_tokens": 1, "ignore_eos": True}
    for tenant in sorted({each if each in known else REST for each in tenants}):
        try:
            _text(f"{url}/v1/completions", known.get(tenant, ""), json.dumps(body).encode())
        except _Status as status:
            if status.status == 400:
                fix = "name those of plain text, such as TOKEN_IDS=1000-3999"
                raise Fault(f"{model} takes no prompt of token {highest}", fix) from status
            raise _fault(url, status.status, tenant) from status


def _fault(url: str, status: int, tenant: str = REST) -> Fault:
    if status not in (401, 403):
        return Fault(f"{url} answers {status}", "see `make logs PART=server`")
    who = "tenants without a key of their own" if tenant == REST else tenant
    fix = f"in the file that TENANTS_KEYS names, the line `{tenant} key` is theirs"
    return Fault(f"{url} takes no key of {who}", fix)


def _text(url: str, key: str, body: bytes | None = None) -> str:
    headers = {"content-type": "application/json"} if body is not None else {}
    if key:
        headers["authorization"] = f"Bearer {key}"
    try:
        with _OPENER.open(urllib.request.Request(url, body, headers), timeout=SECONDS) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        raise _Status(error.code) from error
    except (OSError, HTTPException, ValueError) as error:
        raise Fault(f"{url} does not answer ({error})", "`make up`") from error

"""What a store answers to a URL, or why it does not, with the store's name."""

import json
from collections.abc import Iterator
from typing import Any

from stack.http import Unanswered, ask
from stack.stores.protocol import NotFound, StoreError

NOT_FOUND = 404
TIMEOUT_SECONDS = 60.0
"""Loki's own limit for a query."""


def text(store: str, url: str) -> str:
    """The body of a GET; raises NotFound or StoreError with the store's reason."""
    try:
        return ask(url, TIMEOUT_SECONDS)
    except Unanswered as error:
        kind = NotFound if error.status == NOT_FOUND else StoreError
        raise kind(f"{store}: {error}") from error


def as_json(store: str, url: str) -> Any:
    """The JSON body of a GET; raises NotFound or StoreError with the store's reason."""
    return _parsed(store, url, text(store, url))


def as_lines(store: str, url: str) -> Iterator[Any]:
    """The JSON values of a GET, one a line; raises NotFound or StoreError with the reason."""
    # Not splitlines(): it splits at letters that may stand within a record, such as U+2028.
    for line in text(store, url).split("\n"):
        if line:
            yield _parsed(store, url, line)


def _parsed(store: str, url: str, body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise StoreError(f"{store}: {url.partition('?')[0]} answered no JSON") from error

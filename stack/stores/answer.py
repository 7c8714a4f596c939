"""What a store answers to a URL, or why it does not, with the store's name."""

import json
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
    body = text(store, url)
    try:
        return json.loads(body)
    except ValueError as error:
        raise StoreError(f"{store}: {url.partition('?')[0]} answered no JSON") from error

"""The matrix: which clients there are, and what each is asked for."""

import importlib
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TypeAlias

from clients.conversation import Conversation, Place, Talk
from clients.talks import browser

FEATURES: Mapping[str, str] = {
    "plain": "plain",
    "stream": "stream",
    "tools": "tools",
    "structured": "structured output",
    "abort": "abort in mid-stream",
    "cancel": "cancelled task",
    "wrong-key": "wrong key",
    "too-long": "over-long prompt",
    "own-id": "own `x-request-id`",
    "responses": "`/v1/responses`",
    "completions": "`/v1/completions`",
    "models": "list of models",
    "count": "token count",
    "stranger": "another origin refused",
}
"""The columns by name."""


@dataclass(frozen=True)
class Client:
    """One row: its name in a table, its module, and the packages that it is made of."""

    name: str
    shown: str
    module: str
    packages: tuple[str, ...]

    @property
    def talks(self) -> Mapping[str, Talk]:
        """Its conversations by feature; imports its packages."""
        found: Mapping[str, Talk] = importlib.import_module(self.module).TALKS
        return found

    def at(self, place: Place) -> AbstractContextManager[Place]:
        """Where it talks: the server, or a gateway of its own in front; raises Fault."""
        running = getattr(importlib.import_module(self.module), "running", None)
        return running(place) if running else nullcontext(place)

    @property
    def absent(self) -> str:
        """The package that is not installed, empty where all are."""
        return next((name for name in self.packages if not _version(name)), "")

    @property
    def versions(self) -> str:
        """Names and versions of its packages."""
        return ", ".join(f"{name} {_version(name)}" for name in self.packages)


CLIENTS = (
    Client("openai", "`openai`", "clients.talks.openai_sdk", ("openai",)),
    Client("anthropic", "`anthropic`", "clients.talks.anthropic_sdk", ("anthropic",)),
    Client(
        "langchain",
        "LangChain's `ChatOpenAI`",
        "clients.talks.langchain_chat",
        ("langchain-openai", "langchain-core"),
    ),
    Client("litellm", "LiteLLM's proxy in front", "clients.talks.litellm_proxy", ("litellm",)),
)
BROWSER, BROWSER_SHOWN = "browser", "a page in Chromium"
NAMES = (*(client.name for client in CLIENTS), BROWSER)
Row: TypeAlias = list[Conversation]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def features_of(name: str) -> tuple[str, ...]:
    """What a client can be asked for, in the order of the columns; imports its packages."""
    own = browser.WANTED if name == BROWSER else client(name).talks
    return tuple(feature for feature in FEATURES if feature in own)


def client(name: str) -> Client:
    """The client of that name, which is not the browser."""
    return next(each for each in CLIENTS if each.name == name)


def shown(name: str) -> str:
    """How a table calls it."""
    return BROWSER_SHOWN if name == BROWSER else client(name).shown


def versions(name: str) -> str:
    """Names and versions of what it is made of."""
    if name != BROWSER:
        return client(name).versions
    command = [browser.program(), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return " ".join(said.split()[:2])


def missing(name: str) -> str:
    """What a row lacks on this machine, empty where it can be asked."""
    if name != BROWSER:
        absent = client(name).absent
        return f"{absent} is not installed" if absent else ""
    return "" if browser.program() else "no Chromium on PATH (apt-get install chromium)"


def converse(name: str, place: Place, features: Sequence[str]) -> Row:
    """All conversations of one row, one after the other; raises Fault."""
    if name == BROWSER:
        return browser.converse(place, features)
    own, held = client(name), []
    with own.at(place) as there:
        for feature in features:
            talk = Conversation(there, name, feature)
            own.talks[feature](talk)
            held.append(talk)
    return held

"""Which of OpenTelemetry's own variables count here: many a base image and shell sets some."""

import os
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

HONOURED = {
    "OTEL_RESOURCE_ATTRIBUTES",
    *(
        f"OTEL_EXPORTER_OTLP_{signal}{what}"
        for signal in ("", "TRACES_", "LOGS_")
        for what in ("HEADERS", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "COMPRESSION")
    ),
}
"""Who we are besides our names, and how to speak to a Collector that is not our own."""
_RESERVED = "service."
_ignored: set[str] = set()


def clean(env: MutableMapping[str, str]) -> None:
    """Take out every OTEL_ variable that would change what is measured, where it goes or when.

    The SDK reads them whenever one of its objects is made, so this comes before each.
    """
    for name in [name for name in env if name.startswith("OTEL_") and name not in HONOURED]:
        del env[name]
        _ignored.add(name)


def target(endpoint: str, signal: str, seconds: float) -> Mapping[str, Any]:
    """An OTLP exporter's arguments: each batch is tried for so many seconds, past any proxy."""
    # Whoever is told of a bad setting does not wait for it.
    import requests

    # An endpoint left set, vLLM's workers would each start an exporter of their own.
    clean(os.environ)
    session = requests.Session()
    # The Collector is a neighbour.
    session.trust_env = False
    return {"endpoint": f"{endpoint}/v1/{signal}", "timeout": seconds, "session": session}


def ignored() -> list[str]:
    """The variables that were set and do not count."""
    return sorted(_ignored)


def foreign(names: Iterable[str]) -> list[str]:
    """The resource attributes among these that the environment may not give.

    They name the service, and with it the job and instance by which signals join.
    """
    return [name for name in names if name.startswith(_RESERVED)]

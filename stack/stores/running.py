"""The stores of the stack that runs, by the names that `make up` chose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stack.parts import lineup
from stack.settings import Settings
from stack.stores.jaeger import Jaeger
from stack.stores.loki import Loki
from stack.stores.protocol import LogStore, TraceStore
from stack.stores.tempo import Tempo
from stack.stores.victorialogs import VictoriaLogs

TRACES: Mapping[str, Callable[[], TraceStore]] = {"tempo": Tempo, "jaeger": Jaeger}
LOGS: Mapping[str, Callable[[], LogStore]] = {"loki": Loki, "victorialogs": VictoriaLogs}


@dataclass(frozen=True)
class Stores:
    """Where the traces and the log records of this stack are."""

    traces: TraceStore
    logs: LogStore


def stores(settings: Settings) -> Stores:
    """The stores that run; where none does those that the variables name, else compose's."""
    runs = lineup.running(settings)
    return Stores(TRACES[runs.traces](), LOGS[runs.logs]())

"""Where log records go in unit tests: lines of the console, and OTLP by the real SDK."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from server.signals import logs
from server.signals.logs import JsonFormatter


class Lines:
    """A handler with our formatter on a logger, and the lines that it wrote."""

    def __init__(self, name: str) -> None:
        self._stream = io.StringIO()
        self._handler = logging.StreamHandler(self._stream)
        self._handler.setFormatter(JsonFormatter())
        self.logger = logging.getLogger(name)
        self.logger.addHandler(self._handler)
        self.logger.setLevel(logging.DEBUG)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def one(self) -> dict[str, Any]:
        (line,) = self.text.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        self.logger.removeHandler(self._handler)


class Sent:
    """What OtlpHandler hands to the real SDK, and what the real encoder makes of it."""

    def __init__(self) -> None:
        self.exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(Resource({}), shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self.exporter))
        self._handler = logs.OtlpHandler()
        self._loggers = [logging.getLogger(name) for name in ("server.requests", "vllm.foreign")]
        for logger in self._loggers:
            logger.addHandler(self._handler)
            logger.setLevel(logging.DEBUG)
        self.ours = structlog.get_logger("server.requests")
        self.foreign = self._loggers[1]

    def wire(self) -> LogRecord:
        (resource,) = encode_logs(self.exporter.get_finished_logs()).resource_logs
        (scope,) = resource.scope_logs
        (found,) = scope.log_records
        return found

    def attributes(self) -> dict[str, Any]:
        (found,) = self.exporter.get_finished_logs()
        return dict(found.log_record.attributes or {})

    def body(self) -> str:
        return self.wire().body.string_value

    def close(self) -> None:
        for logger in self._loggers:
            logger.removeHandler(self._handler)


@contextmanager
def lines_of(name: str) -> Iterator[Lines]:
    """What a logger says on the console meanwhile."""
    made = Lines(name)
    yield made
    made.close()


@contextmanager
def sent_meanwhile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    """What leaves over OTLP meanwhile."""
    made = Sent()
    monkeypatch.setattr(logs, "provider_of_process", lambda _pid: made.provider)
    yield made
    made.close()


def kinds(wire: LogRecord) -> dict[str, str | None]:
    return {pair.key: pair.value.WhichOneof("value") for pair in wire.attributes}

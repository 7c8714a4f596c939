"""What is in flight, on disk: the process after a killed one can say what died with it."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from server.live import LiveRequest
from server.record import Operation, Outcome, RequestRecord, Usage

_log = logging.getLogger(__name__)
_FIELDS = ("trace_id", "span_id", "tenant", "model", "operation", "method", "route", "stream")


class Journal:
    """One small file per request in flight; without a folder it keeps nothing.

    A file costs about 30 µs and is not synced: it survives the process, not the machine.
    """

    def __init__(self, state_dir: Path | None) -> None:
        self._folder = state_dir / "in-flight" if state_dir else None
        self._left: tuple[Path, ...] = ()
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._left = tuple(sorted(self._folder.iterdir()))

    def begin(self, live: LiveRequest) -> None:
        """Note that the request is in flight."""
        if self._folder:
            entry = {field: getattr(live, field) for field in _FIELDS}
            entry["started_ns"] = live.started_ns
            (self._folder / live.request_id).write_text(json.dumps(entry))

    def end(self, live: LiveRequest) -> None:
        """Note that the request is recorded."""
        if self._folder and live.accepted:
            (self._folder / live.request_id).unlink(missing_ok=True)

    def leftovers(self) -> Iterator[RequestRecord]:
        """What stood here at start: the requests of a killed process; what they used is unknown.

        An entry is removed once its record has been dealt with, so another kill loses none.
        """
        for path in self._left:
            record = _read(path)
            if record is not None:
                yield record
            path.unlink(missing_ok=True)


def _read(path: Path) -> RequestRecord | None:
    try:
        return _killed(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        _log.warning("unreadable in-flight entry %s is dropped", path.name)
        return None


def _killed(entry: dict[str, object]) -> RequestRecord:
    return RequestRecord(
        trace_id=str(entry["trace_id"]),
        span_id=str(entry["span_id"]),
        tenant=str(entry["tenant"]),
        model=str(entry["model"]),
        operation=Operation(str(entry["operation"])),
        outcome=Outcome.SERVER_ERROR,
        reason="killed",
        method=str(entry["method"]),
        route=str(entry["route"]),
        status_code=None,
        stream=bool(entry["stream"]),
        started_ns=int(str(entry["started_ns"])),
        duration_seconds=None,
        time_to_first_token_seconds=None,
        time_per_output_token_seconds=None,
        phases=(),
        usage=Usage(),
        finish_reasons=(),
        response_id=None,
        error_type="killed",
    )

"""What was learned of a device's steps, kept for the next start: its prior."""

import json
import logging
import math
from pathlib import Path

from server.engine_core.step_model import Coefficients, StepModel
from server.storage import durable
from server.storage.writer import Writer

_log = logging.getLogger(__name__)
FILE = "step-model.json"


class StepModelFile:
    """One JSON object of coefficients by device and model; without a folder it keeps nothing.

    It only caches: a disk that is full, or slow, costs the next start its prior and nothing else.
    """

    def __init__(self, state_dir: Path | None, device: str, model: str) -> None:
        self._path = state_dir / FILE if state_dir else None
        self._key = f"{device} | {model}"
        self._due: Coefficients | None = None
        self._said = False
        # No engine step waits for a disk.
        self._writer = Writer(self._write, self._say_once, "step-model-writer")
        if self._path:
            self._writer.start()

    def load(self) -> StepModel:
        """A model with what was learned before on this device, else with the prior."""
        kept = self._read().get(self._key)
        if not isinstance(kept, list) or len(kept) != 4 or not all(map(_is_fine, kept)):
            return StepModel()
        step, prefill, decode, kv = kept
        return StepModel((max(step, 1.0), prefill, decode, kv), fitted=True)

    def save(self, coefficients: Coefficients) -> None:
        """Have the coefficients kept, soon."""
        self._due = coefficients
        self._writer.nudge()

    def close(self, patience: float) -> bool:
        """Keep what is due; True when that was done within so many seconds."""
        return self._writer.end(patience)

    def _write(self) -> None:
        due = self._due
        if self._path is None or due is None:
            return
        text = json.dumps({**self._read(), self._key: list(due)})
        durable.replace(self._path, text.encode())

    def _say_once(self, error: Exception) -> None:
        if not self._said:
            self._said = True
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            _log.warning("%s cannot be written (%s): it is a cache only", self._path, why)

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._path.read_text()) if self._path else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _is_fine(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0

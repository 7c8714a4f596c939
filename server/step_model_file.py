"""What was learned of a device's steps, kept for the next start: its prior."""

import json
import math
import os
from pathlib import Path

from server.step_model import Coefficients, StepModel

FILE = "step-model.json"


class StepModelFile:
    """One JSON object of coefficients by device and model; without a folder it keeps nothing."""

    def __init__(self, state_dir: Path | None, device: str, model: str) -> None:
        self._path = state_dir / FILE if state_dir else None
        self._key = f"{device} | {model}"

    def load(self) -> StepModel:
        """A model with what was learned before on this device, else with the prior."""
        kept = self._read().get(self._key)
        if not isinstance(kept, list) or len(kept) != 4 or not all(map(_is_fine, kept)):
            return StepModel()
        step, prefill, decode, kv = kept
        return StepModel((max(step, 1.0), prefill, decode, kv), fitted=True)

    def save(self, coefficients: Coefficients) -> None:
        """Keep the coefficients; raises OSError when the folder cannot be written."""
        if self._path is None:
            return
        scratch = self._path.with_suffix(".new")
        scratch.write_text(json.dumps({**self._read(), self._key: list(coefficients)}))
        os.replace(scratch, self._path)

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._path.read_text()) if self._path else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _is_fine(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0

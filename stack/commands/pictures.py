"""`make pictures`: every board drawn from the live stores, by the tool in grafana/pictures."""

import os
import subprocess

from stack.builds import venv
from stack.settings import Settings


def pictures(settings: Settings) -> int:
    """Draw into .state/pictures, or with BENCH=1 time the queries; returns the tool's status."""
    python = venv.make(settings, "dev") / "bin" / "python"
    timed = settings.values.get("BENCH", "") not in ("", "0")
    what = ["--bench"] if timed else ["--out", str(settings.state / "pictures")]
    command = [str(python), "-m", "grafana.pictures", *what]
    env = {**os.environ, "PYTHONPATH": str(settings.repo)}
    return subprocess.run(command, cwd=settings.repo, env=env, check=False).returncode

"""`make report`: the newest load run, or the one in RUN, as a page and as JSON."""

import os
import subprocess

from stack.builds import venv
from stack.settings import Settings


def report(settings: Settings) -> int:
    """Report into the run's folder by the tool in loadtest/report; returns its status."""
    python = venv.make(settings, "dev") / "bin" / "python"
    folder = settings.values.get("RUN", "")
    command = [str(python), "-m", "loadtest.report", *([folder] if folder else [])]
    env = {**os.environ, "PYTHONPATH": str(settings.repo)}
    return subprocess.run(command, cwd=settings.repo, env=env, check=False).returncode

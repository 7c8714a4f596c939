"""Which commit a figure is of."""

import subprocess
from pathlib import Path


def commit(repo: Path) -> str:
    """The checkout's commit, marked where files differ from it; `unknown` outside of one."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

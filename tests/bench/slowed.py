"""Runs a command while the engine core of this checkout's server is slower by a known share.

    python -m tests.bench.slowed 0.2 make load DURATION=300 SEED=5 RUN_ID=slow

The engine core is stopped and let go many times a second, so that all it does takes that much
longer: what `make compare` has to find. It goes on when the command ends, however that ends.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
STOP_SECONDS = 0.004
"""About a step of the embedded model: shorter would be lost in the kernel's own turns."""


def engine_cores(repo: Path = REPO, proc: Path = Path("/proc")) -> Iterator[int]:
    """The engine cores that run in the folder."""
    for folder in proc.iterdir():
        try:
            mine = folder.name.isdigit() and (folder / "cwd").resolve() == repo
            if mine and "EngineCor" in (folder / "comm").read_text():
                yield int(folder.name)
        except OSError:
            continue


def slowed(pid: int, share: float, process: subprocess.Popen[bytes]) -> int:
    """Slow a process by the share until another ends; that one's status."""
    try:
        while process.poll() is None:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(STOP_SECONDS)
            os.kill(pid, signal.SIGCONT)
            time.sleep(STOP_SECONDS / share)
    finally:
        os.kill(pid, signal.SIGCONT)
    return process.returncode


def main(arguments: list[str]) -> int:
    """Run the command beside a slower engine core; returns its status."""
    share, command = float(arguments[0]), arguments[1:]
    found = [*engine_cores()]
    if len(found) != 1 or not 0.0 < share <= 1.0 or not command:
        print(f"{len(found)} engine cores here, a share of {share:g}, {command or 'no command'}")
        return 2
    return slowed(found[0], share, subprocess.Popen(command))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

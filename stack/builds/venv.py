"""Python environments made from the hash-checked locks, kept in the cache by the lock's hash."""

import os
import subprocess
import sys
from pathlib import Path

from stack.builds import cache
from stack.errors import Fault
from stack.run import logged
from stack.say import step
from stack.settings import Settings

_SIZES = {"load": "50 MB unpacked, seconds", "clients": "640 MB unpacked, a minute"}
"""What a reader of the progress waits for, where it is not the engine."""


def _lock(settings: Settings, name: str) -> Path:
    return settings.repo / "requirements" / f"{name}.lock"


def folder(settings: Settings, name: str) -> Path:
    """The cache folder of the environment that `requirements/<name>.lock` describes."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    key = cache.digest([_lock(settings, name), python, os.uname().machine])
    prefix = "venv" if name == "native" else f"venv-{name}"
    return settings.cache / f"{prefix}-{key}"


def is_made(settings: Settings, name: str) -> bool:
    """True when the environment is complete."""
    return cache.is_marked(folder(settings, name))


def check_python() -> None:
    """Raise Fault when this Python cannot make an environment or is too new for the engine."""
    if sys.version_info >= (3, 15):
        raise Fault("vLLM 0.32.0 needs Python below 3.15", "make up PYTHON=python3.12")
    done = subprocess.run(
        [sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise Fault("this Python has no venv module", "apt-get install python3-venv")


def _fill_bootstrap(settings: Settings, target: Path, log: Path) -> None:
    logged([sys.executable, "-m", "venv", str(target)], log)
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    logged([*pip, "--require-hashes", "-r", str(_lock(settings, "bootstrap"))], log)


def uv(settings: Settings) -> Path:
    """The path of uv, installed from its own lock on the first call."""
    target, log = folder(settings, "bootstrap"), settings.logs / "build-bootstrap.log"
    with cache.locked(settings.cache / ".lock-bootstrap", "installing uv"):
        if not cache.is_marked(target):
            with step("installing uv"):
                cache.make_marked(target, lambda out: _fill_bootstrap(settings, out, log))
    return target / "bin" / "uv"


def _fill(settings: Settings, name: str, target: Path, log: Path) -> None:
    tool = str(uv(settings))
    logged([tool, "venv", "--quiet", "--python", sys.executable, str(target)], log)
    python = str(target / "bin" / "python")
    install = [tool, "pip", "install", "--python", python, "--no-deps", "--require-hashes"]
    size = _SIZES.get(name, "6 GB unpacked, a minute or so")
    with step(f"installing {name} packages ({size})"):
        logged([*install, "-r", str(_lock(settings, name))], log)


def make(settings: Settings, name: str) -> Path:
    """Make the environment unless it is complete, and return its folder."""
    target, log = folder(settings, name), settings.logs / f"build-{name}.log"
    with cache.locked(settings.cache / f".lock-{name}", f"installing {name} packages"):
        if not cache.is_marked(target):
            log.unlink(missing_ok=True)
            cache.make_marked(target, lambda out: _fill(settings, name, out, log))
    return target


def run_module(settings: Settings, name: str, module: str, *arguments: str) -> int:
    """Run a module of this checkout in the environment `name`; returns its status."""
    python = make(settings, name) / "bin" / "python"
    env = {**os.environ, "PYTHONPATH": str(settings.repo)}
    command = [str(python), "-m", module, *arguments]
    return subprocess.run(command, cwd=settings.repo, env=env, check=False).returncode

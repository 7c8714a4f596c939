"""What runs have left behind: folders of the state, volumes of the containers."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from stack.errors import Fault
from stack.settings import Settings
from stack.upkeep import volumes

_ABOUT = {
    "server": "the bill so far, requests in flight: `make backup` keeps them",
    "server-state": "the bill so far, requests in flight: `make backup` keeps them",
    "prometheus": "metrics",
    "tempo": "traces",
    "jaeger": "traces",
    "loki": "logs and alerts",
    "victorialogs": "logs and alerts",
    "otel-collector": "what waits to be sent to a store",
    "alertmanager": "silences, and what was told to whom",
    "grafana": "its users and what was changed by hand",
    "load": "runs of load tests",
    "load-runs": "runs of load tests",
    "pictures": "pictures of the boards",
    "scene": "the stores of the documentation's day",
    "bench": "what `make bench` measured",
    "gpu-check": "what `make gpu-check` found",
    "logs": "the parts' own logs",
    "run": "sockets and rendered files",
    "secrets": "Grafana's password, copies of receivers' files",
}
_FOLDERS = tuple(name for name in _ABOUT if name not in ("server-state", "load-runs"))
_KEPT_VOLUMES = ("model-cache",)
"""What can be had again, at the price of a download."""
LOCK = "up.lock"


@dataclass(frozen=True)
class Leavings:
    """Folders and volumes to delete (compose.yaml's name to Docker's), and what stays, and why."""

    folders: tuple[Path, ...]
    volumes: dict[str, str]
    stays: tuple[str, ...]


def about(name: str) -> str:
    """What is in a folder or a volume of this name."""
    return _ABOUT.get(name, "")


def find(settings: Settings) -> Leavings:
    """What `make clean` deletes of the way that MODE names, else of both; raises Fault."""
    mode = settings.values.get("MODE", "")
    answers = mode != "native" and volumes.answers()
    if mode == "compose" and not answers:
        raise Fault("no Docker daemon answers", "start it, or use MODE=native")
    ours = volumes.found(settings) if answers else {}
    gone = {name: found for name, found in ours.items() if name not in _KEPT_VOLUMES}
    stays = [f"{found} (models)" for name, found in ours.items() if name in _KEPT_VOLUMES]
    if not answers and volumes.has_docker():
        why = "MODE=native" if mode == "native" else "no Docker daemon answers"
        stays.append(f"volumes of containers, if there are any ({why})")
    folders = [] if mode == "compose" else _folders(settings)
    # A volume of Grafana's that stays knows the password in there, and nobody else does.
    known = answers or not volumes.has_docker()
    folders = [path for path in folders if path.name != "secrets" or known]
    return Leavings(tuple(folders), gone, (*stays, *_strange(settings, folders)))


def _folders(settings: Settings) -> list[Path]:
    found = (settings.state / name for name in _FOLDERS)
    return [path for path in found if path.is_symlink() or path.exists() if _bytes(path) >= 0]


def _strange(settings: Settings, folders: list[Path]) -> list[str]:
    if not folders:
        return []
    names = {"run", *(path.name for path in folders)}
    return [str(path) for path in sorted(settings.state.glob("*")) if path.name not in names]


def _bytes(path: Path) -> int:
    """Bytes of the files below, -1 where only the lock of this very command is there."""
    files = [Path(at) / name for at, _, names in os.walk(path) for name in names]
    if path.name == "run" and [file.name for file in files] == [LOCK]:
        return -1
    return sum(file.lstat().st_size for file in files)


def size(path: Path) -> str:
    """How much is in the folder, in MB."""
    return f"{max(0, _bytes(path)) / 1e6:,.1f} MB"


def delete(path: Path) -> None:
    """Delete a folder of the state, but of `run` not the lock that keeps `make up` waiting."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    if path.name != "run":
        shutil.rmtree(path)
        return
    for child in path.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        elif child.name != LOCK:
            child.unlink()

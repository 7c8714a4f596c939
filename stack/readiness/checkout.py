"""Whether this checkout can be used as it lies there: its path, its line ends, its permissions."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from stack.errors import Fault
from stack.settings import Settings

SERVER_USER = 10002
"""Who the server's container runs as (compose.yaml)."""
_PLAIN = re.compile(r"[\w./+@,=~^-]+")
_MOUNT = re.compile(r"- \./([^:$]+)(?::|\$)")
_GIVEN = ("LLM_SERVER_KEYS", "LLM_SERVER_PRICES", "LLM_SERVER_BUDGETS")


def check_paths(settings: Settings) -> None:
    """Raise Fault for a folder whose path supervisord's configuration cannot hold."""
    folders = {
        "the checkout": (settings.repo, "move it"),
        "STATE_DIR": (settings.state, "choose another"),
        "the cache": (settings.cache, "set XDG_CACHE_HOME to another"),
    }
    for what, (path, fix) in folders.items():
        if odd := _PLAIN.sub("", str(path)):
            said = f"{what} lies in '{path}', and the native way takes no '{odd[0]}' in a path"
            raise Fault(said, f"{fix}, with letters, digits and - _ . + @ only")


def check_line_ends(settings: Settings) -> None:
    """Raise Fault for a file with Windows line ends that a shell or a container reads."""
    scripts = settings.repo.glob("*/*.sh")
    for path in sorted({*scripts, *_files(_mounted(settings))}):
        content = path.read_bytes()
        # A picture has no lines; as for git, a zero byte tells.
        if b"\r\n" in content and b"\0" not in content:
            said = f"{path.relative_to(settings.repo)} has Windows line ends (CRLF)"
            raise Fault(said, "check out anew: git config core.autocrlf input && git checkout .")


def check_readable(settings: Settings) -> None:
    """Raise Fault for a mounted file that the containers' users could not read."""
    for path in sorted(_each(_mounted(settings))):
        if not _is_open(path):
            said = f"containers cannot read {path.relative_to(settings.repo)}: only its owner may"
            raise Fault(said, f"chmod -R a+rX {' '.join(_folders(settings))}")
    for key in _GIVEN:
        path = settings.repo / settings.values.get(key, "")
        if settings.values.get(key) and path.is_file() and not _is_the_servers(path):
            said = f"the server's container cannot read {path} ({key})"
            raise Fault(said, f"chmod a+r {path}, in a folder that only you may enter")


def _roots(settings: Settings) -> Iterator[Path]:
    for found in _MOUNT.findall((settings.repo / "compose.yaml").read_text()):
        yield settings.repo / found.rstrip("/")


def _mounted(settings: Settings) -> list[Path]:
    return [*_roots(settings), settings.repo / "server" / "prices.yaml"]


def _folders(settings: Settings) -> list[str]:
    return sorted({path.relative_to(settings.repo).parts[0] for path in _mounted(settings)})


def _each(roots: Iterable[Path]) -> Iterator[Path]:
    for root in roots:
        yield root
        yield from root.rglob("*")


def _files(roots: Iterable[Path]) -> Iterator[Path]:
    return (path for path in _each(roots) if path.is_file())


def _is_open(path: Path) -> bool:
    wanted = 0o005 if path.is_dir() else 0o004
    return path.stat().st_mode & wanted == wanted


def _is_the_servers(path: Path) -> bool:
    return _is_open(path) or path.stat().st_uid == SERVER_USER

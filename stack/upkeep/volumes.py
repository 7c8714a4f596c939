"""The named volumes of our containers, by what compose.yaml calls them."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stack.containers import compose
from stack.errors import Fault
from stack.readiness import ways
from stack.readiness.checkout import SERVER_USER
from stack.settings import Settings
from stack.upkeep import state_files

_PROJECT, _VOLUME = "com.docker.compose.project", "com.docker.compose.volume"


def has_docker() -> bool:
    """True where a docker command is; whether its daemon answers is another question."""
    return shutil.which("docker") is not None


def answers() -> bool:
    """True when a Docker daemon answers."""
    return has_docker() and ways.quiet("docker", "info")


def _docker(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["docker", *arguments], input=given, capture_output=True, check=False)


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else f"docker ended with {done.returncode}"


def _normalized(folder: str) -> str:
    """The project's name that compose makes of a folder's, as of `llm-observability-0.1.0`."""
    return re.sub(r"[^a-z0-9_-]", "", folder.lower()).lstrip("_-")


def _listed(settings: Settings, *what: str, shown: str) -> list[list[str]]:
    """What Docker lists of this project, each as two words; raises Fault."""
    project = settings.values.get("COMPOSE_PROJECT_NAME") or _normalized(settings.repo.name)
    done = _docker(*what, "--filter", f"label={_PROJECT}={project}", "--format", shown)
    if done.returncode != 0:
        asked = " ".join(what)
        raise Fault(f"Docker does not answer `{asked}`: {_said(done)}", f"see `docker {asked}`")
    rows = [line.split(" ", 1) for line in done.stdout.decode().splitlines()]
    return [row for row in rows if len(row) == 2 and row[0]]


def found(settings: Settings) -> dict[str, str]:
    """The volumes of this project: compose.yaml's name to Docker's; raises Fault."""
    shown = f'{{{{.Label "{_VOLUME}"}}}} {{{{.Name}}}}'
    return {row[0]: row[1] for row in _listed(settings, "volume", "ls", shown=shown)}


def are_used(settings: Settings) -> bool:
    """True while containers of this project run; raises Fault."""
    # Not by compose: where it has been removed, its containers go on.
    return bool(_listed(settings, "ps", shown="{{.ID}} {{.State}}"))


def remove(names: list[str]) -> None:
    """Delete volumes; raises Fault for the first that cannot be."""
    done = _docker("volume", "rm", *names)
    if done.returncode != 0:
        raise Fault(f"not every volume could be deleted: {_said(done)}", "`make down`, try again")


@dataclass(frozen=True)
class Volume:
    """The server's state in a volume, reached through a container of the server's own image."""

    name: str
    image: str

    way = "compose"

    @property
    def words(self) -> str:
        """Where the state is."""
        return f"the volume {self.name}"

    def read(self) -> dict[str, bytes]:
        """The files of the state by name; raises Fault where they cannot be read."""
        return state_files.decoded(self._run("read", ",readonly", b""))

    def put(self, files: dict[str, bytes]) -> None:
        """Put files back; raises Fault where a server has the volume or it cannot be written."""
        self._run("put", "", state_files.encoded(files))

    def command(self, what: str, how: str) -> list[str]:
        """What docker is asked to run: no network, no rights, the server's user."""
        mount = f"type=volume,source={self.name},target=/state{how}"
        user = f"{SERVER_USER}:{SERVER_USER}"
        limits = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--user", user]
        more = ["--security-opt", "no-new-privileges", "--pids-limit", "16", "--memory", "256m"]
        source = Path(state_files.__file__).read_text()
        script = ["--entrypoint", "python3", self.image, "-I", "-c", source, what, "/state"]
        return [
            "run",
            "--rm",
            "--interactive",
            "--pull",
            "never",
            *limits,
            *more,
            "--mount",
            mount,
            *script,
        ]

    def _run(self, what: str, how: str, given: bytes) -> bytes:
        done = _docker(*self.command(what, how), given=given)
        if done.returncode == state_files.BUSY:
            raise Fault(f"a server uses {self.words}", "`make down`, try again")
        if done.returncode != 0:
            raise Fault(f"{self.words} cannot be reached: {_said(done)}", f"is {self.image} here?")
        return done.stdout


def server_state(settings: Settings) -> Volume | None:
    """The volume of the server's state, None before the first `make up`; raises Fault."""
    name = found(settings).get("server-state")
    return Volume(name, compose.server_image(settings)) if name else None

"""Which way to run: Docker Compose or plain processes, decided in seconds and without pulling."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stack.errors import Fault

TIMEOUT_SECONDS = 8.0
_SKIPPED = {"gpu": "CPU_BASE_IMAGE", "cpu": "GPU_BASE_IMAGE"}


@dataclass(frozen=True)
class Way:
    """The way chosen (`compose` or `native`) and why, in a few words."""

    name: str
    why: str


@dataclass(frozen=True)
class Probes:
    """The questions asked of this machine; tests answer them themselves."""

    daemon: Callable[[], bool]
    compose: Callable[[], bool]
    is_here: Callable[[str], bool]
    can_pull: Callable[[str], bool]


def quiet(*command: str) -> bool:
    """True when the command ends well within the time limit."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def compose_command() -> list[str]:
    """The compose command of this machine, an empty list when there is none."""
    if shutil.which("docker") and quiet("docker", "compose", "version"):
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def machine() -> Probes:
    """The probes that ask this machine's docker."""
    return Probes(
        daemon=lambda: quiet("docker", "info"),
        compose=lambda: bool(compose_command()),
        is_here=lambda image: quiet("docker", "image", "inspect", image),
        can_pull=lambda image: quiet("docker", "manifest", "inspect", image),
    )


def has_gpu() -> bool:
    """True when the NVIDIA driver lists a GPU."""
    return Path("/dev/nvidiactl").exists() and quiet("nvidia-smi", "-L")


def images(values: Mapping[str, str]) -> dict[str, str]:
    """The pinned images that the chosen profile needs, by their keys."""
    skipped = _SKIPPED.get(values.get("COMPOSE_PROFILES", "cpu"), "GPU_BASE_IMAGE")
    unused = {"DCGM_EXPORTER_IMAGE"} if skipped == "GPU_BASE_IMAGE" else set()
    if not values.get("REMOTE_HOST"):
        unused.add("CADDY_IMAGE")
    named = {key: value for key, value in values.items() if key.endswith("_IMAGE") and value}
    return {key: value for key, value in named.items() if key not in {skipped} | unused}


def registry(image: str) -> str:
    """Where an image comes from, in words: a host, or the default one."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first)
    return first if is_host else "the default registry"


def _blocked(needed: list[str], probes: Probes) -> str:
    """The registry that a missing image cannot be had from, empty when all can."""
    with ThreadPoolExecutor(8) as pool:
        here = list(pool.map(probes.is_here, needed))
        absent = [image for image, found in zip(needed, here, strict=True) if not found]
        # One image speaks for its registry: asking for each would take longer, and say the same.
        asked = {registry(image): image for image in absent}
        answers = dict(zip(asked, pool.map(probes.can_pull, asked.values()), strict=True))
    return next((name for name, ok in answers.items() if not ok), "")


def _obstacle(needed: list[str], probes: Probes) -> str:
    if not probes.daemon():
        return "no Docker daemon answers"
    if not probes.compose():
        return "a Docker daemon answers, but there is no compose command"
    blocked = _blocked(needed, probes)
    return f"a Docker daemon answers, but images from {blocked} cannot be had" if blocked else ""


def choose(values: Mapping[str, str], probes: Probes) -> Way:
    """Pick the way; MODE decides when set, and raises Fault when it asks for what cannot be."""
    mode = values.get("MODE", "")
    if mode == "native":
        return Way("native", "MODE=native asks for it")
    if mode not in ("", "compose"):
        raise Fault(f"MODE={mode} is unknown", "use MODE=compose or MODE=native")
    obstacle = _obstacle(list(images(values).values()), probes)
    if mode and obstacle:
        raise Fault(f"MODE=compose, but {obstacle}", "start Docker, or use MODE=native")
    if obstacle:
        return Way("native", obstacle)
    return Way("compose", "MODE=compose asks for it" if mode else "Docker and the images are here")

"""The server's image: our Dockerfile on the base that .env names, or on a stand-in for it.

The stand-in is Debian's Python in an environment of its own that holds the native way's packages
already: the build's install finds them satisfied, checks what it adds by hash, and takes no 6 GB.
The native environment is built for this machine's Python, so Debian's has to be the same minor.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from stack.builds import cache, venv
from stack.errors import Fault
from stack.run import logged
from stack.say import step
from stack.settings import Settings
from tests.compose.engine import CannotStart, docker
from tests.compose.images import RECIPE, import_image, is_made
from tests.compose.runs import OFFICIAL

TAG = "llm-observability/base-cpu:stand-in"
SERVER = "llm-observability/server-cpu:local"
SUITE, PYTHON = "bookworm", (3, 11)
# What python:3.12-slim has, its headers included, with which vLLM compiles its sampler: the
# engine's library and the compiler come by the Dockerfile.
_PACKAGES = "python3,python3-venv,libpython3-dev,ca-certificates"
# What the build's install has to bring.
_OURS = ("structlog*", "supervisor*")
_PATH = "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILE = ("--file=server/Dockerfile",)
_CHANGES = (f"ENV PATH={_PATH} VIRTUAL_ENV=/opt/venv",)


def _mirror() -> str:
    """The mirror that this machine's apt already uses."""
    query = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise Fault("apt knows no mirror to make a Debian base from", "apt-get update")
    return done.stdout.split()[0]


def _debian(root: Path, log: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", SUITE]
    logged([*command, str(root), _mirror()], log)
    logged(["chroot", str(root), "python3", "-m", "venv", "/opt/venv"], log)
    # Pip stays, as in the official image; setuptools comes with the engine's own packages.
    pip = ["chroot", str(root), "/opt/venv/bin/python", "-m", "pip"]
    logged([*pip, "uninstall", "--yes", "setuptools"], log)
    shutil.rmtree(root / "var" / "cache" / "apt")


def _packages(settings: Settings, root: Path, log: Path) -> None:
    """Link the native environment's packages in, less those that the build is to bring."""
    made, target = venv.folder(settings, "native"), root / "opt" / "venv"
    logged(["cp", "-al", f"{made}/lib/.", str(target / "lib")], log)
    packages = target / "lib" / f"python{PYTHON[0]}.{PYTHON[1]}" / "site-packages"
    # Bytecode that the native server kept for itself, where the image's user could not read it.
    kept = packages.rglob("__pycache__")
    ours = (path for pattern in _OURS for path in packages.glob(pattern))
    for path in [*kept, *ours]:
        shutil.rmtree(path, ignore_errors=True)


def _registries(root: Path) -> None:
    """Give the image this machine's way to its registries: certificates and pip's settings."""
    for name in ("etc/ssl/certs/ca-certificates.crt", "etc/pip.conf"):
        if (Path("/") / name).exists():
            shutil.copyfile(Path("/") / name, root / name)


def _import(settings: Settings, recipe: str, log: Path) -> None:
    root, layer = settings.cache / "docker" / "base", settings.cache / "docker" / "base.tar"
    shutil.rmtree(root, ignore_errors=True)
    try:
        _debian(root, log)
        _packages(settings, root, log)
        _registries(root)
        logged(["tar", "-C", str(root), "-cf", str(layer), "."], log)
        import_image(TAG, layer, [*_CHANGES, f"LABEL {RECIPE}={recipe}"])
    finally:
        layer.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)


def _make_base(settings: Settings) -> None:
    if sys.version_info[:2] != PYTHON:
        raise CannotStart(f"Debian {SUITE} has Python 3.11", "make test-compose PYTHON=python3.11")
    recipe = cache.digest([Path(__file__), venv.folder(settings, "native").name])
    if is_made(TAG, recipe):
        return
    venv.make(settings, "native")
    log = settings.logs / "build-base.log"
    log.unlink(missing_ok=True)
    with step("making the server's base image (6 GB, some minutes, once)"):
        _import(settings, recipe, log)


def _base(settings: Settings) -> str:
    """The image to build on: the one of .env where it can be had, else the stand-in."""
    if "CPU_BASE_IMAGE" in OFFICIAL:
        return settings.values["CPU_BASE_IMAGE"]
    _make_base(settings)
    return TAG


def make(settings: Settings) -> None:
    """Build our real server/Dockerfile on the base; its layers are kept by the engine."""
    requirements = settings.values["CPU_REQUIREMENTS"]
    arguments = {"BASE_IMAGE": _base(settings), "REQUIREMENTS": requirements}
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    with step(f"building server/Dockerfile with {requirements}.lock"):
        docker("build", "--network=host", *options, *_FILE, f"--tag={SERVER}", str(settings.repo))

"""The images: official ones as they are, else stand-ins with their names around our binaries."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from stack.builds import cache, gobuild
from stack.containers import standins
from stack.errors import Fault
from stack.say import step
from stack.settings import Settings
from tests.compose.engine import docker
from tests.compose.parts import IMAGES, NOBODY, STORES, Image
from tests.compose.runs import OFFICIAL, RUNS

RECIPE = "llm-observability.recipe"
# Not compiled by us: where they stand in, they are on PATH.
_FOUND = ("tempo", "loki")
_PASSWD = f"root:x:0:0::/:/bin/false\nnobody:x:{NOBODY}:{NOBODY}::/:/bin/false\n"


def is_made(tag: str, recipe: str) -> bool:
    """True when the engine holds this image, made from the same recipe."""
    form = f'{{{{index .Config.Labels "{RECIPE}"}}}}'
    return docker("image", "inspect", "--format", form, tag, check=False) == recipe


def import_image(tag: str, tar: Path | None, changes: list[str], source: bytes = b"") -> None:
    """Make a one-layer image of a tar; `changes` are lines of a Dockerfile."""
    options = [item for change in changes for item in ("--change", change)]
    command = ["docker", "import", *options, str(tar) if tar else "-", tag]
    done = subprocess.run(command, input=source, capture_output=True, check=False)
    if done.returncode != 0:
        raise Fault(f"{tag} could not be made: {done.stderr.decode().strip()}")


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o755) -> None:
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _add_folder(tar: tarfile.TarFile, name: str, owner: int, mode: int = 0o755) -> None:
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
    tar.addfile(entry)


def _add_busybox(tar: tarfile.TarFile, folder: str) -> None:
    _add(tar, f"{folder}/busybox", _on_path("busybox").read_bytes())
    for applet in ("sh", "wget", "chown", "sleep"):
        entry = tarfile.TarInfo(f"{folder}/{applet}".lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, f"{folder}/busybox"
        tar.addfile(entry)


def _on_path(name: str) -> Path:
    found = shutil.which(name)
    if not found:
        raise Fault(f"{name} is missing", "apt-get install busybox-static, or put it on PATH")
    return Path(found)


def _binary(settings: Settings, name: str) -> Path:
    return _on_path(name) if name in _FOUND else gobuild.binary(settings, name)


def _layer(settings: Settings, image: Image) -> bytes:
    """The image's one layer: folders, binaries, busybox, and names for root and nobody."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, "/etc/passwd", _PASSWD.encode(), 0o644)
        for folder, owner in image.folders.items():
            _add_folder(tar, folder, owner)
        for path, name in image.binaries.items():
            _add(tar, path, _binary(settings, name).read_bytes())
        if image.busybox:
            _add_busybox(tar, image.busybox)
    return buffer.getvalue()


def _changes(image: Image, recipe: str) -> list[str]:
    start = f'ENTRYPOINT ["{image.entrypoint}"]' if image.entrypoint else 'CMD ["sh"]'
    user = [f"USER {image.user}"] if image.user else []
    path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return [start, *user, f"WORKDIR {image.workdir}", path, f"LABEL {RECIPE}={recipe}"]


def _make(settings: Settings, image: Image) -> None:
    tag = settings.values.get(image.key, image.key)
    binaries = [_binary(settings, name) for name in image.binaries.values()]
    tools = [_on_path("busybox")] if image.busybox else []
    recipe = cache.digest([Path(__file__), repr(image), *binaries, *tools])
    if is_made(tag, recipe):
        return
    with step(f"making a stand-in for {tag}"):
        import_image(tag, None, _changes(image, recipe), _layer(settings, image))


def _pull(settings: Settings, tag: str) -> None:
    """Take the official image, unless the engine holds it from an earlier run."""
    if tag in standins.held(settings):
        return
    with step(f"pulling {tag}"):
        docker("pull", "--quiet", tag)
    standins.hold(settings, tag)


def make(settings: Settings) -> None:
    """Have every image but the server's in the engine."""
    for key in OFFICIAL:
        _pull(settings, settings.values[key])
    for image in (*IMAGES, *(STORES[name] for name in RUNS.stores)):
        if image.key not in OFFICIAL:
            _make(settings, image)

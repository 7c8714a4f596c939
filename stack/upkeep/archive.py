"""A backup: one compressed tar file, with a manifest that has the SHA-256 of everything in it."""

import datetime
import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.errors import Fault
from stack.upkeep import given, state_files

FORMAT = 1
MANIFEST = "manifest.json"
STATE, GIVEN = "state/", "given/"
ENDING = ".tar.gz"
_MOST_BYTES = 256 * 1024 * 1024
"""A file that unpacks to more than this is no backup of ours."""


@dataclass(frozen=True)
class Backup:
    """What a backup holds: the server's state and the operator's files, by name.

    `made` is ISO 8601, UTC; `way` is whose state it was, natively or of containers.
    """

    made: str
    way: str
    state: Mapping[str, bytes]
    given: Mapping[str, bytes]

    @property
    def members(self) -> dict[str, bytes]:
        """All files by their names in the archive."""
        state = {f"{STATE}{name}": data for name, data in self.state.items()}
        return state | {f"{GIVEN}{name}": data for name, data in self.given.items()}


def now() -> str:
    """The moment, as a backup says when it was made."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _digests(members: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o600
    tar.addfile(member, io.BytesIO(data))


def write(backup: Backup, folder: Path, prefix: str) -> Path:
    """Write a new file into the folder, read it back and return its path; raises Fault, OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = _free(folder, f"{prefix}-{backup.made.replace('-', '').replace(':', '')}")
    scratch = path.with_name(f"{path.name}.part")
    members = backup.members
    manifest: dict[str, object] = {"format": FORMAT, "made": backup.made, "way": backup.way}
    manifest["sha256"] = _digests(members)
    try:
        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as tar:
                _add(tar, MANIFEST, json.dumps(manifest, indent=1).encode())
                for name, data in members.items():
                    _add(tar, name, data)
            file.flush()
            os.fsync(file.fileno())
        if read(scratch) != backup:
            raise Fault(f"{path} does not read as it was written", "check the disk, try again")
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return path


def _free(folder: Path, stem: str) -> Path:
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(path for name in names if not (path := folder / f"{name}{ENDING}").exists())


def read(path: Path) -> Backup:
    """Read a backup and check all of it; raises Fault, naming the file and what is wrong."""
    members = _unpacked(path)
    manifest = _manifest(path, members.pop(MANIFEST, b""))
    expected = manifest["sha256"]
    wrong = [name for name, digest in _digests(members).items() if expected.get(name) != digest]
    if wrong := [*wrong, *(name for name in expected if name not in members)]:
        raise Fault(f"{path}: {wrong[0]} is not what was backed up", "use another backup")
    state, files = _under(STATE, members), _under(GIVEN, members)
    known = [*filter(state_files.is_known, state), *(name for name in files if name in given.NAMES)]
    if len(known) != len(members):
        raise Fault(f"{path} holds files that no backup has", "use one that `make backup` made")
    return Backup(manifest["made"], manifest["way"], state, files)


def _under(prefix: str, members: Mapping[str, bytes]) -> dict[str, bytes]:
    found = {name: data for name, data in members.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): data for name, data in found.items()}


def _unpacked(path: Path) -> dict[str, bytes]:
    try:
        # To its end, where gzip keeps a checksum of all of it; tarfile alone stops before.
        with gzip.open(path) as packed:
            text = packed.read(_MOST_BYTES + 1)
        return _members(path, text)
    except FileNotFoundError as error:
        raise Fault(f"{path} is not there", "FROM= names a backup") from error
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Fault(f"{path} is torn, or no backup ({why})", "use another backup") from error


def _members(path: Path, text: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(text), mode="r:") as tar:
        for member in tar:
            # What is sparse says of itself how much it is, and may be anything.
            is_plain = member.isreg() and not member.issparse()
            content = tar.extractfile(member) if is_plain else None
            if content is None or len(text) > _MOST_BYTES or member.name in found:
                raise Fault(f"{path} is no backup", "use one that `make backup` made")
            found[member.name] = content.read()
    return found


def _manifest(path: Path, text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
        number = int(found["format"])
        if number == FORMAT and isinstance(found["made"], str) and isinstance(found["way"], str):
            found["sha256"] = {str(name): str(found["sha256"][name]) for name in found["sha256"]}
            return dict(found)
    except (KeyError, TypeError, ValueError) as error:
        raise Fault(f"{path} has no manifest", "use one that `make backup` made") from error
    if number > FORMAT:
        said = f"{path} is of format {number}, this checkout reads up to {FORMAT}"
        raise Fault(said, "restore it with the release that made it, or a newer one")
    raise Fault(f"{path} has no manifest that can be read", "use one that `make backup` made")

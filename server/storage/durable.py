"""Files that a killed process, a full disk or a machine that loses power leave whole."""

import os
from pathlib import Path


def replace(path: Path, data: bytes) -> None:
    """Write the file so that it holds either what it held or the data, on the disk itself.

    Raises OSError; the scratch file beside it is gone then.
    """
    scratch = path.with_name(f"{path.name}.new")
    try:
        with scratch.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(found)
    finally:
        os.close(found)

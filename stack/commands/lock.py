"""`make lock`: resolve requirements/*.in anew, every file pinned by hash, no registry named."""

import subprocess

from stack.builds import venv
from stack.errors import Fault
from stack.say import step
from stack.settings import Settings

_FLAGS = (
    "--generate-hashes",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--universal",
    "--python-version=3.11",
    "--upgrade",
    "--quiet",
)
_OVERRIDES = "--override=overrides.txt"
# From the widest to the narrowest, so that all agree on what they share.
_LOCKS = (
    ("bootstrap", ()),
    ("dev", (_OVERRIDES,)),
    ("native", (_OVERRIDES, "--constraint=dev.lock")),
    ("load", ("--constraint=dev.lock",)),
    ("server", (_OVERRIDES, "--constraint=native.lock")),
    # A client's user has what the client asks for, not what our server runs.
    ("clients", ()),
)


def lock(settings: Settings) -> int:
    """Write the six locks; raises Fault when a resolution fails."""
    tool = str(venv.uv(settings))
    for name, extra in _LOCKS:
        command = [tool, "pip", "compile", *_FLAGS, *extra, f"{name}.in", "-o", f"{name}.lock"]
        with step(f"resolving {name}"):
            done = subprocess.run(command, cwd=settings.repo / "requirements", check=False)
        if done.returncode != 0:
            raise Fault(f"requirements/{name}.in has no solution", "see uv's reasons above")
    return 0

"""`make logs`: follow the logs of all parts or of one."""

import subprocess

from stack.containers import compose
from stack.errors import Fault
from stack.parts.memo import remembered
from stack.settings import Settings


def logs(settings: Settings) -> int:
    """Follow until interrupted; PART names one part, else all are shown."""
    part = settings.values.get("PART", "")
    if remembered(settings).get("way") == "compose":
        part = compose.service(settings, part)
        return compose.run(settings, "logs", "--follow", "--tail", "50", *([part] if part else []))
    files = sorted(settings.logs.glob(f"{part or '*'}.log"))
    if not files:
        known = ", ".join(sorted(path.stem for path in settings.logs.glob("*.log"))) or "none yet"
        raise Fault(f"no log of {part or 'any part'}", f"there are: {known}")
    if not part:
        files = [path for path in files if not path.name.startswith("build-")]
    return subprocess.run(["tail", "-n", "50", "-F", *map(str, files)], check=False).returncode

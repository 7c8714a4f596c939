"""The processes below a part, read from the kernel."""

from pathlib import Path


def _parents() -> dict[int, int]:
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            # The name may hold spaces and brackets: the fields begin behind its last one.
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(path.name)] = int(fields[1])
    return found


def below(pid: int) -> list[int]:
    """Every process that this one started, and those that they did."""
    parents = _parents()
    found, new = list[int](), [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def _title(pid: int) -> str:
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return ""


def engine_core(server: int) -> int:
    """The process of vLLM's engine core below the server's; 0 where there is none."""
    return next((pid for pid in below(server) if "EngineCore" in _title(pid)), 0)

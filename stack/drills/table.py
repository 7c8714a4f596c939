"""The table of drills: each cause, what has to come of it, and what may."""

from stack.drills.causes import parts
from stack.drills.drill import Drill, Expected

_PARTS = {
    "collector": "otel-collector",
    "traces": "traces",
    "logs": "logs",
    "alertlog": "alertlog",
    "node-exporter": "node-exporter",
}
_JOBS = {"server": "llm-server", "collector": "otel-collector"}


def _down(name: str, part: str) -> Drill:
    labels = {"store": part} if part in ("traces", "logs") else {"job": _JOBS.get(name, part)}
    about = f"{'the store of ' if 'store' in labels else ''}{part} is stopped and stays down"
    expected = (Expected("TargetDown", labels),)
    # Its return is a restart, which is told once it no longer counts as down.
    return Drill(f"{name}-down", about, expected, parts.down(part), ("TargetRestarted",))


DRILLS: tuple[Drill, ...] = (
    *(_down(name, part) for name, part in _PARTS.items()),
    Drill(
        "target-missing",
        "node-exporter runs, but is not in Prometheus's list",
        (Expected("TargetMissing", {"job": "node-exporter"}),),
        parts.unlisted("node-exporter"),
    ),
    Drill(
        "part-killed",
        "alertlog is killed outright and comes back by itself",
        (Expected("TargetRestarted", {"job": "alertlog"}),),
        parts.killed("alertlog"),
    ),
    Drill(
        "server-down",
        "the server is stopped and stays down",
        (Expected("TargetDown", {"job": "llm-server"}),),
        parts.down("server"),
        ("TargetRestarted",),
    ),
)

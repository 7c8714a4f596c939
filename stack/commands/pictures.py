"""`make pictures`: every board drawn by grafana/pictures, from the live stores or a made day."""

from stack.builds import venv
from stack.settings import Settings


def pictures(settings: Settings) -> int:
    """Draw into .state/pictures; returns the tool's status.

    With BENCH=1 the queries are timed instead. With DAY=1 the stores are filled for it, with the
    day and the incident that the documentation shows, and its pictures are replaced.
    """
    if _asks(settings, "DAY"):
        out = ("--out", str(settings.state / "pictures"), "--state", str(settings.state / "scene"))
        return venv.run_module(settings, "dev", "tests.bench.scene", *out)
    timed = _asks(settings, "BENCH")
    what = ["--bench"] if timed else ["--out", str(settings.state / "pictures")]
    return venv.run_module(settings, "dev", "grafana.pictures", *what)


def _asks(settings: Settings, name: str) -> bool:
    return settings.values.get(name, "") not in ("", "0")

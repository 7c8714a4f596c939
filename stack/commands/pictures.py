"""`make pictures`: every board drawn from the live stores, by the tool in grafana/pictures."""

from stack.builds import venv
from stack.settings import Settings


def pictures(settings: Settings) -> int:
    """Draw into .state/pictures, or with BENCH=1 time the queries; returns the tool's status."""
    timed = settings.values.get("BENCH", "") not in ("", "0")
    what = ["--bench"] if timed else ["--out", str(settings.state / "pictures")]
    return venv.run_module(settings, "dev", "grafana.pictures", *what)

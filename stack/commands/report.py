"""`make report`: the newest load run, or the one in RUN, as a page and as JSON."""

from stack.builds import venv
from stack.settings import Settings


def report(settings: Settings) -> int:
    """Report into the run's folder by the tool in loadtest/report; returns its status."""
    run = settings.values.get("RUN", "")
    return venv.run_module(settings, "dev", "loadtest.report", *([run] if run else []))

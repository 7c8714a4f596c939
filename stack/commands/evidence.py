"""`make evidence`: the long runs that CI cannot hold, and what they found in the docs."""

from stack.builds import venv
from stack.settings import Settings


def evidence(settings: Settings) -> int:
    """Run tests/bench/evidence, all or those that RUN names; returns its status."""
    run = settings.values.get("RUN", "")
    return venv.run_module(settings, "dev", "tests.bench.evidence", *([run] if run else []))

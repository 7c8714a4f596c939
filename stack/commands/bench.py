"""`make bench`: what all of ours costs a server, beside stock vLLM, in pairs."""

from stack.builds import venv
from stack.settings import Settings


def bench(settings: Settings) -> int:
    """Run tests/bench/overhead beside the running stack; returns its status.

    ROUNDS and STREAMS (one of 1, 8, 32) make it shorter.
    """
    given = {name: settings.values.get(name.upper(), "") for name in ("rounds", "streams")}
    words = [word for name, value in given.items() if value for word in (f"--{name}", value)]
    return venv.run_module(settings, "dev", "tests.bench.overhead", *words)

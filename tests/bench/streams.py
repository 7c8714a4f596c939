"""How far a load test's clock is from a server whose every moment is known: first tokens and gaps.

    python -m tests.bench.streams           # fifty streams at once, a few seconds
    python -m tests.bench.streams 200

The server is a process of its own (tests/unit/paced.py), and sends all streams in step, which is
the worst case for whoever reads them one after the other.
"""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import gevent

from loadtest.ranks import at_rank
from tests.unit.loadtest.test_clock import STREAMS, ask, lags

REPO = Path(__file__).resolve().parents[2]


def main() -> None:
    """Print milliseconds at p50, p95, p99 and the most."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS
    command = [sys.executable, "-m", "tests.unit.paced"]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        streams = [gevent.spawn(ask, port) for _ in range(count)]
        gevent.joinall(streams)
        server.terminate()
    every = [lags(stream.value) for stream in streams]
    first = sorted(each[0] for each in every)
    gaps = sorted(abs(after - before) for each in every for before, after in pairwise(each))
    for name, values in (("first token late by", first), ("gap off by", gaps)):
        shown = "  ".join(
            f"{1000 * at_rank(values, percent):8.3f}" for percent in (50, 95, 99, 100)
        )
        print(f"{name:<20} {shown} ms (p50, p95, p99, most)")


if __name__ == "__main__":
    main()

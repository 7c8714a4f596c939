"""The boards' pictures for the documentation: a day with an incident, made, stored and drawn.

`DAY=1 make pictures` runs it. The stores are its own, in a folder of their own, and have a network
of their own where the kernel gives one; else their ports must be free.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stack.builds import gobuild
from stack.parts import lineup
from stack.readiness import preflight
from stack.say import clock, complain, say, title
from stack.settings import load
from tests.bench import day_stores
from tests.bench.command import run
from tests.bench.scene import draw, network
from tests.bench.scene.fill import Fill, timed
from tests.bench.scene.stores import running

REPO = Path(__file__).parents[3]
_DISK_GIB = 2.0


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scene", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=1, help="another seed, another day of the same story")
    add("--state", type=Path, default=Path(".state/scene"), help="the folder for the stores")
    add("--out", type=Path, default=Path(".state/pictures"), help="the folder for all pictures")
    add("--keep", action="store_true", help="keep what the stores hold, and the docs' pictures")
    add("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(given)


def outside() -> int:
    """Build what is missing, which needs the machine's network, and go on in one of our own."""
    settings = load(REPO)
    gobuild.build_all(settings, day_stores.recipes(lineup.choose(settings).lineup))
    command = [sys.executable, "-m", "tests.bench.scene", *sys.argv[1:], "--inside"]
    # Between fork and exec, where there is one thread, as the kernel wants it.
    with subprocess.Popen(command, cwd=REPO, preexec_fn=network.enter) as inside:
        try:
            return inside.wait()
        except KeyboardInterrupt:
            # A terminal told both of us; kill told us alone.
            inside.terminate()
            return inside.wait()


def pictures(options: argparse.Namespace) -> int:
    """Make the day, store it, draw it; returns 1 after naming each panel without data."""
    begun = time.monotonic()
    settings = replace(load(REPO), state=(REPO / options.state).resolve())
    runs = lineup.choose(settings).lineup
    title(f"A day with an incident, seed {options.seed}, in {runs.traces} and {runs.logs}")
    preflight.check_disk(settings.state, _DISK_GIB)
    shutil.rmtree(settings.state, ignore_errors=True)
    settings.state.mkdir(parents=True)
    folder = (REPO / options.out).resolve()
    with running(settings, runs):
        Fill(settings, runs, options.seed).run()
        with timed("boards"):
            pages = draw.draw(runs, folder)
    if not options.keep:
        shutil.rmtree(settings.state)
        for image in draw.hand_on(pages, folder, REPO):
            say(f"  {image.relative_to(REPO)}")
    faults = draw.missing(pages)
    for fault in faults:
        complain(fault)
    say(f"{len(pages)} boards in {clock(time.monotonic() - begun)}: {folder / 'index.html'}")
    return 1 if faults else 0


def main() -> int:
    """Return 0, 1 after naming what is wrong, 130 when interrupted."""
    options = arguments()
    return run(lambda: pictures(options) if options.inside else outside())


if __name__ == "__main__":
    sys.exit(main())

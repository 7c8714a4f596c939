"""What this `make test-compose` runs, as stack/composetest.py chose it and said by environment."""

import os
from pathlib import Path

from stack import lineup, standins
from stack.parts import STORES, parts
from stack.settings import load

REPO = Path(__file__).parents[2]
RUNS = lineup.running(load(REPO))
TRACES, LOGS = RUNS.stores
PARTS = parts(RUNS)
OFFICIAL = tuple(os.environ.get(standins.OFFICIAL_KEY, "").split())
# The port of each store's API.
API = {name: part.ports[0] for name, part in STORES.items()}

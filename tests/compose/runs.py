"""What this `make test-compose` runs, as stack/commands/composetest.py chose it, by environment."""

import os
from pathlib import Path

from stack.containers import standins
from stack.parts import lineup
from stack.parts.table import STORES, parts
from stack.settings import load

REPO = Path(__file__).parents[2]
RUNS = lineup.running(load(REPO))
TRACES, LOGS = RUNS.stores
PARTS = parts(RUNS)
OFFICIAL = tuple(os.environ.get(standins.OFFICIAL_KEY, "").split())
# The port of each store's API.
API = {name: part.ports[0] for name, part in STORES.items()}

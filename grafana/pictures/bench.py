"""How long all boards' queries take, one after the other: the slowest first, and the sum."""

import time
from collections.abc import Sequence

from grafana.pictures import evaluate
from grafana.pictures.board import Board
from grafana.pictures.stores import Stores

LIMIT_SECONDS = 2.0
"""All boards' queries together, asked in turn; Grafana asks one board's, side by side."""


def run(boards: Sequence[Board]) -> int:
    """Print every panel's milliseconds, each board's sum and all; return 1 above LIMIT_SECONDS."""
    everything = 0.0
    for board in boards:
        stores = Stores()
        asked = evaluate.page(stores, board, time.time(), {})
        total = sum(seconds for _, seconds in stores.seconds)
        everything += total
        print(f"{board.title}: {len(stores.seconds)} queries, {total * 1000:.0f} ms")
        for answer in sorted(asked.answers, key=lambda answer: -answer.seconds):
            print(f"  {answer.seconds * 1000:7.1f} ms  {answer.panel.title}")
    print(f"all boards together: {everything:.2f} s, at most {LIMIT_SECONDS} s")
    if everything > LIMIT_SECONDS:
        print("shorten the slowest query above, or measure when nothing else loads the machine")
    return int(everything > LIMIT_SECONDS)

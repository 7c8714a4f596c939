"""How long all boards' queries take, one after the other: the slowest first, and the sum."""

import time
from collections.abc import Sequence

from grafana.pictures import evaluate
from grafana.pictures.board import Board
from grafana.pictures.stores import Stores

LIMIT_SECONDS = 2.0
"""Every board's queries together, asked in turn; Grafana asks them side by side."""


def run(boards: Sequence[Board]) -> int:
    """Print every query's milliseconds and each board's sum; return 1 above LIMIT_SECONDS."""
    slow = False
    for board in boards:
        stores = Stores()
        asked = evaluate.page(stores, board, time.time(), {})
        total = sum(seconds for _, seconds in stores.seconds)
        slow = slow or total > LIMIT_SECONDS
        print(f"{board.title}: {len(stores.seconds)} queries, {total * 1000:.0f} ms")
        for answer in sorted(asked.answers, key=lambda answer: -answer.seconds):
            print(f"  {answer.seconds * 1000:7.1f} ms  {answer.panel.title}")
    if slow:
        print(f"a board takes more than {LIMIT_SECONDS} s: shorten its slowest query above")
    return 1 if slow else 0

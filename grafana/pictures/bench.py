"""How long all boards' queries take, one after the other: the slowest first, and the sum."""

import time
from collections.abc import Callable, Sequence

from grafana.pictures import evaluate
from grafana.pictures.board import Board
from grafana.pictures.evaluate import Page
from grafana.pictures.stores import Stores

LIMIT_SECONDS = 2.0
"""All boards' queries together, asked in turn; Grafana asks one board's, side by side."""
ROUNDS = 3


def ask(boards: Sequence[Board], stores: Stores) -> tuple[float, list[Page]]:
    """Ask everything once; returns the seconds of all queries, marks included, and the answers."""
    pages = [evaluate.page(stores, board, time.time(), {}) for board in boards]
    return sum(seconds for _, seconds in stores.seconds), pages


def run(boards: Sequence[Board], stores: Callable[[], Stores] = Stores) -> int:
    """Print the fastest of three rounds by panel; return 1 when it is above LIMIT_SECONDS."""
    # What the machine does beside it is not the boards' cost, so the least round counts.
    rounds = [ask(boards, stores()) for _ in range(ROUNDS)]
    total, pages = min(rounds, key=lambda one: one[0])
    for page in pages:
        _report(page)
    every = ", ".join(f"{seconds:.2f}" for seconds, _ in rounds)
    print(f"all boards together: {total:.2f} s, at most {LIMIT_SECONDS} s (rounds: {every})")
    if total > LIMIT_SECONDS:
        print("shorten the slowest query above, or measure when nothing else loads the machine")
    return int(total > LIMIT_SECONDS)


def _report(page: Page) -> None:
    seconds = sum(answer.seconds for answer in page.answers)
    queries = sum(len(answer.queries) for answer in page.answers)
    print(f"{page.board.title}: {queries} queries, {seconds * 1000:.0f} ms")
    for answer in sorted(page.answers, key=lambda answer: -answer.seconds):
        print(f"  {answer.seconds * 1000:7.1f} ms  {answer.panel.title}")

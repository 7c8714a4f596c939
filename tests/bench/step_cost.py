"""What the meter adds to an engine step, beside vLLM's own scheduler: CPU time, in pairs.

`python -m tests.bench.step_cost` runs vLLM's real scheduler, stock and metered, on the same
requests, alternating. No model is needed: what is measured is the scheduler's part of a step.
"""

import logging
import statistics
import tempfile
import time
from pathlib import Path

from vllm.v1.core.sched.scheduler import Scheduler

from server.engine_core.metered_scheduler import MeteredScheduler
from tests.unit import schedulers

PROMPT, ANSWER, WARM, STEPS, ROUNDS = 32, 4000, 30, 200, 15


def _busy(kind: type[Scheduler], batch: int) -> Scheduler:
    with tempfile.TemporaryDirectory() as folder:
        settings = schedulers.config(Path(folder), batch, max(8192, batch * PROMPT))
    made = schedulers.make(kind, settings, blocks=batch * 200)
    for number in range(batch):
        schedulers.add(made, f"r{number}", PROMPT, ANSWER)
    return made


def _microseconds(scheduler: Scheduler) -> float:
    start = time.process_time_ns()
    for _ in range(STEPS):
        schedulers.step(scheduler)
    return (time.process_time_ns() - start) / STEPS / 1000


def measure(batch: int) -> tuple[float, float, float]:
    """Medians in microseconds a step: stock, metered, and of the pairs' differences."""
    stock, metered = (_busy(kind, batch) for kind in (Scheduler, MeteredScheduler))
    for _ in range(WARM):
        schedulers.step(stock)
        schedulers.step(metered)
    pairs = []
    for turn in range(ROUNDS):
        order = (stock, metered) if turn % 2 else (metered, stock)
        times = {id(each): _microseconds(each) for each in order}
        pairs.append((times[id(stock)], times[id(metered)]))
    before, after = (statistics.median(each) for each in zip(*pairs, strict=True))
    return before, after, statistics.median(b - a for a, b in pairs)


def main() -> None:
    """Print a row for each batch size."""
    logging.disable(logging.WARNING)
    print(f"{'batch':>5} {'stock µs':>9} {'metered µs':>11} {'added µs':>9}")
    for batch in (1, 8, 32, 256):
        print("{:>5} {:>9.1f} {:>11.1f} {:>9.1f}".format(batch, *measure(batch)), flush=True)


if __name__ == "__main__":
    main()

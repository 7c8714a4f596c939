"""vLLM's processes wait for each other by sched_yield(), which starves others on few cores."""

import os

FEW_CORES = 4
"""Up to so many the API process, the engine core, its worker and a caller share cores."""


def sleep_between_looks() -> None:
    """Have vLLM sleep instead of yielding, as it does on older Pythons, where cores are few.

    A yielding pair has kept others off a core for seconds (docs/decisions/0011); a sleep takes
    some 50 µs, which no step on a small machine is short enough to feel.
    """
    if (os.cpu_count() or 1) > FEW_CORES:
        return
    from vllm.distributed import utils

    utils.USE_SCHED_YIELD = False

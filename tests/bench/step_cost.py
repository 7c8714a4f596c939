"""What the meter adds to an engine step, beside vLLM's own scheduler: CPU time, in pairs.

`python -m tests.bench.step_cost [--model FOLDER]` runs the real scheduler of vLLM, stock and
metered, on the same requests, alternating; the model's folder is asked for its configuration only.
"""

import argparse
import logging
import os
import statistics
import time
from pathlib import Path

import torch
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.sampling_params import SamplingParams
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request
from vllm.v1.structured_output import StructuredOutputManager

from server.metered_scheduler import MeteredScheduler

PROMPT, WARM, STEPS, ROUNDS = 32, 30, 200, 9
BLOCK, BLOCKS = 16, 20_000


def _default_model() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = sorted(cache.glob("llm-observability/models/*/config.json"))
    if not found:
        raise SystemExit("no embedded model in the cache: run `make up` once, or name --model")
    return found[0].parent


def _scheduler(kind: type[Scheduler], model: Path, batch: int) -> Scheduler:
    args = AsyncEngineArgs(
        model=str(model), max_num_seqs=batch, max_num_batched_tokens=max(8192, batch * PROMPT),
        enforce_eager=True, dtype="float32", max_model_len=2048, enable_prefix_caching=False,
    )  # fmt: skip
    config = args.create_engine_config()
    config.cache_config.num_gpu_blocks = BLOCKS
    spec = FullAttentionSpec(block_size=BLOCK, num_kv_heads=1, head_size=1, dtype=torch.float32)
    kv = KVCacheConfig(BLOCKS, kv_cache_tensors=[], kv_cache_groups=[KVCacheGroupSpec(["l"], spec)])
    made = kind(config, kv, StructuredOutputManager(config), BLOCK, log_stats=True)
    for number in range(batch):
        params = SamplingParams(max_tokens=1900, ignore_eos=True)
        made.add_request(Request(f"r{number}", [number + 3] * PROMPT, params, None))
    return made


def _step(scheduler: Scheduler) -> None:
    output = scheduler.schedule()
    ids = list(output.num_scheduled_tokens)
    places = {request_id: place for place, request_id in enumerate(ids)}
    result = ModelRunnerOutput(ids, places, sampled_token_ids=[[5] for _ in ids])
    scheduler.update_from_output(output, result)


def _microseconds(scheduler: Scheduler) -> float:
    start = time.process_time_ns()
    for _ in range(STEPS):
        _step(scheduler)
    return (time.process_time_ns() - start) / STEPS / 1000


def measure(model: Path, batch: int) -> tuple[float, float, float]:
    """Medians in microseconds a step: stock, metered, and of the pairs' differences."""
    stock, metered = (_scheduler(kind, model, batch) for kind in (Scheduler, MeteredScheduler))
    for _ in range(WARM):
        _step(stock)
        _step(metered)
    pairs = []
    for turn in range(ROUNDS):
        order = (stock, metered) if turn % 2 else (metered, stock)
        times = {id(each): _microseconds(each) for each in order}
        pairs.append((times[id(stock)], times[id(metered)]))
    added = statistics.median(after - before for before, after in pairs)
    return (*(statistics.median(each) for each in zip(*pairs, strict=True)), added)


def main() -> None:
    """Print a row for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=None)
    model = parser.parse_args().model or _default_model()
    logging.disable(logging.WARNING)
    print(f"{'batch':>5} {'stock µs':>9} {'metered µs':>11} {'added µs':>9}")
    for batch in (1, 32, 256):
        print("{:>5} {:>9.1f} {:>11.1f} {:>9.1f}".format(batch, *measure(model, batch)), flush=True)


if __name__ == "__main__":
    main()

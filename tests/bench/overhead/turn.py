"""One turn of one server: a closed loop of streams by vLLM's own benchmark, and what it cost."""

import asyncio
import contextlib
import io
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from vllm.benchmarks import serve
from vllm.utils.argparse_utils import FlexibleArgumentParser

from loadtest.ranks import at_rank
from stack.errors import Fault
from tests.bench.overhead.servers import Server

INPUT_TOKENS, OUTPUT_TOKENS = 32, 150
TURN_TOKENS = {1: 2100, 8: 10800, 32: 14400}
"""Output tokens of a turn by its streams: some five seconds on two cores, about one scrape."""
TAIL_SECONDS = 1.5
"""What a server does after its last answer is a part of its cost: spans leave a second later."""
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a turn cost: CPU seconds a thousand output tokens, tokens a second, milliseconds."""

    api_cpu: float
    core_cpu: float
    tokens_per_second: float
    ttft_p50: float
    ttft_p99: float
    itl_p50: float
    itl_p99: float


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, as the kernel counts it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_SECONDS


def _arguments(server: Server, streams: int, seed: int) -> Any:
    parser = FlexibleArgumentParser()
    serve.add_cli_args(parser)
    requests = max(1, TURN_TOKENS[streams] // OUTPUT_TOKENS)
    asked = {
        "backend": "openai-chat", "endpoint": "/v1/chat/completions", "base-url": server.url,
        "model": server.model, "tokenizer": server.tokenizer, "dataset-name": "random",
        "random-input-len": INPUT_TOKENS, "random-output-len": OUTPUT_TOKENS,
        "num-prompts": requests, "max-concurrency": streams, "seed": seed, "temperature": 0,
        "ready-check-timeout-sec": 0,
    }  # fmt: skip
    words = chain.from_iterable((f"--{name}", str(value)) for name, value in asked.items())
    flags = ("--ignore-eos", "--disable-tqdm", "--save-detailed")
    return parser.parse_args([*words, *flags])


def take(server: Server, streams: int, seed: int) -> Cost:
    """Send the load of this seed and return what it cost.

    Raises Fault where a request failed or an answer is not whole: then nothing was compared.
    """
    asked = _arguments(server, streams, seed)
    before = cpu_seconds(server.api), cpu_seconds(server.core)
    with contextlib.redirect_stdout(io.StringIO()):
        found = asyncio.run(serve.main_async(asked))
    time.sleep(TAIL_SECONDS)
    after = cpu_seconds(server.api), cpu_seconds(server.core)
    thousands = found["total_output_tokens"] / 1000
    if found["failed"] or found["total_output_tokens"] != asked.num_prompts * OUTPUT_TOKENS:
        raise Fault(f"{server.name}: {found['failed']} of {asked.num_prompts} requests failed")
    return Cost(
        (after[0] - before[0]) / thousands,
        (after[1] - before[1]) / thousands,
        found["output_throughput"],
        *_milliseconds(found["ttfts"]),
        *_milliseconds(list(chain.from_iterable(found["itls"]))),
    )


def _milliseconds(seconds: Sequence[float]) -> tuple[float, float]:
    ranked = sorted(seconds)
    return 1000 * at_rank(ranked, 50), 1000 * at_rank(ranked, 99)

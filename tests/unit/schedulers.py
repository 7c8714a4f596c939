"""vLLM's real scheduler without a model: requests go in, and each step yields a token for each."""

import json
from pathlib import Path
from typing import Any

import torch
from vllm.config import VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.sampling_params import SamplingParams
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutputs
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request
from vllm.v1.structured_output import StructuredOutputManager

BLOCK, LENGTH = 16, 2048
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
    "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 4,
    "num_hidden_layers": 1, "vocab_size": 128, "max_position_embeddings": LENGTH,
    "torch_dtype": "float32",
}  # fmt: skip


def config(folder: Path, batch: int, chunk: int = 8192) -> VllmConfig:
    """A configuration whose model is nothing but its config.json in the folder."""
    (folder / "config.json").write_text(json.dumps(LLAMA))
    args = AsyncEngineArgs(
        model=str(folder), skip_tokenizer_init=True, max_num_seqs=batch, enforce_eager=True,
        max_num_batched_tokens=chunk, enable_prefix_caching=False, max_model_len=LENGTH,
    )  # fmt: skip
    return args.create_engine_config()


def make(kind: type[Scheduler], settings: VllmConfig, blocks: int = 20_000) -> Scheduler:
    """The scheduler with so many blocks of KV cache."""
    settings.cache_config.num_gpu_blocks = blocks
    spec = FullAttentionSpec(block_size=BLOCK, num_kv_heads=1, head_size=1, dtype=torch.float32)
    kv = KVCacheConfig(blocks, kv_cache_tensors=[], kv_cache_groups=[KVCacheGroupSpec(["l"], spec)])
    return kind(settings, kv, StructuredOutputManager(settings), BLOCK, log_stats=True)


def add(scheduler: Scheduler, request_id: str, prompt: int, answer: int) -> None:
    """Hand over one request that ends after `answer` tokens."""
    params = SamplingParams(max_tokens=answer, ignore_eos=True)
    scheduler.add_request(Request(request_id, [7] * prompt, params, None))


def step(scheduler: Scheduler) -> dict[int, EngineCoreOutputs]:
    """Schedule, sample a token for whoever is due one, and take the output in."""
    return end(scheduler, begin(scheduler))


def begin(scheduler: Scheduler) -> Any:
    """Schedule a step."""
    return scheduler.schedule()


def end(scheduler: Scheduler, output: Any) -> dict[int, EngineCoreOutputs]:
    """Take in the output of a step."""
    ids = list(output.num_scheduled_tokens)
    places = {request_id: place for place, request_id in enumerate(ids)}
    sampled = [[5] if _is_due(scheduler, request_id) else [] for request_id in ids]
    result = ModelRunnerOutput(ids, places, sampled_token_ids=sampled)
    return scheduler.update_from_output(output, result)


def _is_due(scheduler: Scheduler, request_id: str) -> bool:
    request = scheduler.requests.get(request_id)
    return request is not None and request.num_computed_tokens >= request.num_tokens

"""Panels that may be empty: all that they read, the machine lacks or the operator left out."""

import json
import re
from dataclasses import dataclass

from grafana.pictures.board import Panel
from grafana.pictures.stores import Stores
from stack.stores.protocol import Window

_NAMES = re.compile(r"\b(?:instance_gpu:|gpu_|DCGM_|gen_ai_|llm_|loadtest_|vllm:|node_)[\w:]+")


@dataclass(frozen=True)
class Excuse:
    """Why panels that read only `metrics` may be empty: nothing has a name that is like `sign`.

    Without a sign nothing has any of the names that the panel reads.
    """

    metrics: str
    sign: str
    reason: str


_MOVES = "kv_offload_|simple_kv_offload_|nixl_|mooncake_|num_requests_kv_fetch_"
"""How the names begin of what moves KV away from the device or to another server."""
EXCUSES = (
    Excuse("instance_gpu:|gpu_|DCGM_", "(gpu_|DCGM_).+", "no GPU on this machine"),
    Excuse("llm_watched_tenant_", "llm_watched_tenant_.+", "no tenant is marked watch"),
    Excuse("llm_(tenant_)?budget_", "llm_budget_.+", "no budgets file"),
    Excuse("llm_(bill|ledger|step_model|device_price)_", "llm_device_price_.+", "no device price"),
    Excuse("loadtest_", "loadtest_run_info", "no load test has run"),
    Excuse("vllm:corrupted_", "", "corrupted requests are not counted"),
    Excuse("vllm:kv_block_", "", "the life of KV blocks is not measured"),
    Excuse("vllm:spec_decode_", "", "no speculative decoding"),
    Excuse("vllm:lora_", "", "no LoRA"),
    Excuse(f"vllm:({_MOVES})", "", "no KV offload or transfer"),
)
"""Everything that a sound stack may lack; a panel that reads anything besides is not excused."""


NONE_FOUND = {"failed_requests": "no request failed"}
"""Questions to which nothing is a good answer."""


def excuse(stores: Stores, panel: Panel, window: Window) -> str:
    """Return why an empty panel may be so, or an empty string."""
    questions = [target["refId"] for target in panel.targets]
    if questions and all(name in NONE_FOUND for name in questions):
        return NONE_FOUND[questions[0]]
    if any("ALERTS_FOR_STATE" in str(target.get("expr")) for target in panel.targets):
        return "no alert fires"
    names = _NAMES.findall(json.dumps([target.get("expr", "") for target in panel.targets]))
    for one in EXCUSES:
        mine = all(re.match(one.metrics, name) for name in names)
        if names and mine and not _there(stores, one.sign or "|".join(names), window):
            return one.reason
    return ""


def _there(stores: Stores, sign: str, window: Window) -> bool:
    return bool(stores.prometheus_instant(f'count({{__name__=~"{sign}"}})', window))

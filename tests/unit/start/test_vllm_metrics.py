"""Every metric that the installed vLLM can make is read as it is made, or left out for a reason."""

import ast
import importlib
import re
from collections import Counter as Tally
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import MagicMock

import prometheus_client
import pytest
import vllm

from server.catalogue.record import Metric
from server.catalogue.vllm import VLLM
from server.catalogue.vllm_left_out import LEFT_OUT

ROOT = Path(vllm.__file__).parent
NAME = re.compile(r"vllm:[a-z]\w*")
BEGINNINGS = {"vllm:spec_decode", "vllm:diffusion"}
"""What vLLM's benchmark looks for, no names; KVCR's four are made of another package's words."""
LABELS = ["model_name", "engine"]
ENGINES: dict[int, list[object]] = {0: ["m", "0"]}
CONNECTORS = "vllm.distributed.kv_transfer.kv_connector.v1"
BY_CONNECTOR = {
    f"{CONNECTORS}.nixl.stats": "NixlPromMetrics",
    f"{CONNECTORS}.mooncake.store.metrics": "MooncakeStorePromMetrics",
    "vllm.v1.simple_kv_offload.metrics": "SimpleCPUOffloadPromMetrics",
}


def family(name: str) -> str:
    """A name as prometheus_client is given it, or as it is exposed."""
    return name.removesuffix("_total")


@cache
def written() -> frozenset[str]:
    """Every metric's name that stands in vLLM's code as a whole text."""
    found: set[str] = set()
    for path in ROOT.rglob("*.py"):
        text = path.read_bytes()
        if b'"vllm:' not in text and b"'vllm:" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} if NAME.fullmatch(node.value) else set()
    return frozenset(family(name) for name in found - BEGINNINGS)


def test_no_metric_of_vllm_is_neither_read_nor_left_out_with_a_reason() -> None:
    assert len(written()) > 100
    named = {family(metric.name) for metric in VLLM}
    named |= {family(name) for one in LEFT_OUT for name in one.names}
    assert written() - named == set(), "read it, or say in vllm_left_out.py why not"
    assert named - written() == set(), "this vLLM has it no more"


def test_nothing_is_left_out_twice_or_without_a_sentence() -> None:
    names = [name for one in LEFT_OUT for name in one.names]
    names += [metric.name for metric in VLLM]
    assert [name for name, times in Tally(names).items() if times > 1] == []
    assert all(one.reason.endswith(".") and one.names for one in LEFT_OUT)


class Maker:
    """Stands for a class of prometheus_client and notes what is made of it."""

    made: ClassVar[dict[str, tuple[str, frozenset[str]]]] = {}
    kind = ""

    def __init__(
        self, name: str, documentation: str, labelnames: Any = (), **_more: object
    ) -> None:
        self.made[family(name)] = (self.kind, frozenset(labelnames))

    def labels(self, *_values: object, **_named: object) -> "Maker":
        return self

    def set(self, _value: float) -> None:
        pass


class Gauge(Maker):
    kind = "gauge"


class Counter(Maker):
    kind = "counter"


class Histogram(Maker):
    kind = "histogram"


TYPES: dict[type, type[Maker]] = {
    prometheus_client.Gauge: Gauge,
    prometheus_client.Counter: Counter,
    prometheus_client.Histogram: Histogram,
}


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, tuple[str, frozenset[str]]]]:
    """Kind and labels of what vLLM makes when all that we read of it is switched on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_COMPUTE_NANS_IN_LOGITS", "1")
        patch.setattr(Maker, "made", {})
        _make_the_engines(patch)
        for module, name in BY_CONNECTOR.items():
            maker = getattr(importlib.import_module(module), name)
            maker(MagicMock(), TYPES, LABELS, ENGINES)
        _make_the_offloading_connectors()
        yield Maker.made


def _make_the_engines(patch: pytest.MonkeyPatch) -> None:
    from vllm.v1.metrics import loggers
    from vllm.v1.spec_decode.metrics import SpecDecodingProm

    config = MagicMock()
    config.model_config.is_diffusion = False
    config.model_config.max_model_len = 1024
    config.observability_config.custom_histogram_buckets = None
    config.speculative_config.num_speculative_tokens = 3
    patch.setattr(SpecDecodingProm, "_counter_cls", Counter)
    owner = loggers.PrometheusStatLogger
    for name, maker in (("gauge", Gauge), ("counter", Counter), ("histogram", Histogram)):
        patch.setattr(owner, f"_{name}_cls", maker)
    for name in ("kv_connector", "ec_connector", "perf_metrics"):
        patch.setattr(owner, f"_{name}_cls", MagicMock())
    patch.setattr(loggers, "unregister_vllm_metrics", lambda: None)
    owner(config, [0])


def _make_the_offloading_connectors() -> None:
    from vllm.distributed.kv_transfer.kv_connector.v1.offloading.metrics import OffloadPromMetrics

    config = MagicMock()
    config.kv_transfer_config.kv_connector_extra_config = {
        "spec_name": "TieringOffloadingSpec",
        "secondary_tiers": [],
    }
    OffloadPromMetrics(config, TYPES, LABELS, ENGINES)


@pytest.mark.parametrize("metric", VLLM, ids=lambda metric: metric.name)
def test_what_we_read_is_made_with_the_kind_and_labels_of_the_catalogue(
    metric: Metric, made: dict[str, tuple[str, frozenset[str]]]
) -> None:
    assert made[family(metric.name)] == (metric.kind.value, frozenset(metric.labels))


def test_preemptions_have_one_cause_and_the_reset_of_a_cache() -> None:
    # vLLM gives the metric no cause; a third caller would want one on the USE board.
    text = (ROOT / "v1/core/sched/scheduler.py").read_text(encoding="utf-8")
    callers = [
        function.name
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "self._preempt_request"
    ]
    assert sorted(callers) == ["reset_prefix_cache", "schedule"]

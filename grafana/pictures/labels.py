"""What may stand in a legend: how many values each label of a legend has, and how long they are.

A label that is not here, or has no bound, needs a query that bounds its series (`topk`).
"""

import re
from collections.abc import Mapping, Sequence
from itertools import product

from grafana.dashboards.colors import OUTCOMES
from grafana.pictures import shapes
from grafana.pictures.board import Json, Panel

_MODELS = ("qwen2.5-0.5b-instruct", "other")
"""A server has one model, and `other` for what is none of its own."""
_OBJECTIVES = (
    "availability", "cost_per_1k_output_tokens", "request_duration", "time_to_first_token",
    "time_per_output_token",
)  # fmt: skip
VALUES: Mapping[str, tuple[str, ...]] = {
    "model": _MODELS,
    "model_name": _MODELS[:1],
    "outcome": tuple(OUTCOMES),
    # Of all those that there are: a server generates or pools, the rest it only refuses.
    "operation": ("chat", "text_completion", "embeddings", "other"),
    "kind": ("input_uncached", "input_cached", "output"),
    "part": ("requests", "idle", "start_up", "stall", "lost"),
    "waste": ("aborted", "failed", "retried", "truncated"),
    "phase": ("tokenize", "queue", "prefill", "decode", "deliver"),
    "process": ("api", "engine"),
    "objective": _OBJECTIVES,
    "exporter": ("otlp_grpc/traces", "otlp_http/logs", "otlp_http/prometheus"),
    "result": ("delivered", "failed", "repeated"),
    "job": (
        "alertlog", "alertmanager", "jaeger", "llm-server", "loadtest", "loki", "node-exporter",
        "otel-collector", "prometheus", "tempo", "victorialogs",
    ),
    "gpu": tuple("01"),
    "source": ("local_compute", "local_cache_hit", "external_kv_transfer", "device", "host"),
    "stage": ("in_progress", "completed_waiting"),
    "tier": ("fs",),
    "position": tuple("01234567"),
    "instance": ("127.0.0.1:8000", "127.0.0.1:8001"),
    "reason": ("no_output", "thermal"),
}  # fmt: skip
TOGETHER: Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
    # The longest first: a query that bounds its series may answer with those.
    ("outcome", "reason"): (
        ("client_error", "unsupported_operation"),
        ("client_error", "method_not_allowed"),
        ("aborted", "client_disconnect"),
        ("client_error", "unknown_model"),
        ("client_error", "unknown_route"),
        ("client_error", "bad_request"),
        ("client_error", "invalid_json"),
        ("server_error", "engine_error"),
        ("server_error", "engine_dead"),
        ("server_error", "overloaded"),
        ("server_error", "exception"),
        ("client_error", "too_large"),
        ("server_error", "killed"),
        ("aborted", "engine_abort"),
        ("client_error", "auth"),
        ("timeout", "deadline"),
    ),
    ("reason", "gpu"): (("thermal", "0"), ("power", "1")),
    ("objective", "model"): tuple((one, _MODELS[0]) for one in _OBJECTIVES),
}  # fmt: skip
"""Labels whose values do not meet freely: a reason has one outcome, `other` no objective."""
UNBOUNDED: Mapping[str, str] = {"tenant": "a-tenants-name", "group": "alerts error-budget"}
"""Labels with up to fifty values and more, each with one of usual length."""
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_BOUND = re.compile(r"\b(?:topk|bottomk|limitk)\s*\(\s*(\d+)")
_EQUAL = re.compile(r'\b(\w+)\s*(=~|=|!=)\s*"([^"$]*)"')


class UnboundedError(Exception):
    """A legend has no bound: the label that has none."""


def names(panel: Panel) -> list[str]:
    """Return the names that may stand in a panel's legend at once; raises UnboundedError."""
    every = [name for target in panel.targets for name in _of_target(panel, target)]
    return list(dict.fromkeys(every))


def _of_target(panel: Panel, target: Json) -> list[str]:
    pattern, asked = str(target.get("legendFormat") or ""), str(target["refId"])
    query = str(target.get("expr") or "")
    if query.endswith("< 0"):
        return []  # It has exemplars and no line.
    used = list(dict.fromkeys(_LABEL.findall(pattern)))
    bound = [int(number) for number in _BOUND.findall(query)]
    met = TOGETHER.get(tuple(used)) or product(*(_values(one, query, bound) for one in used))
    found = [shapes.legend(pattern, dict(zip(used, one, strict=True))) for one in met]
    found = found[: bound[0]] if bound else found
    return [name for name in found if not hidden(panel, name, asked)]


def hidden(panel: Panel, name: str, asked: str) -> bool:
    """Tell whether a series stays out of its panel's legend."""
    return bool(panel.field(name, asked).get("custom.hideFrom", {}).get("legend"))


def _values(label: str, query: str, bound: Sequence[int]) -> list[str]:
    if label in VALUES:
        return [one for one in VALUES[label] if _matches(label, one, query)]
    if not bound:
        raise UnboundedError(label)
    return [f"{UNBOUNDED.get(label, label)}{number}" for number in range(bound[0])]


def _matches(label: str, value: str, query: str) -> bool:
    """Whether the query's matchers of the label, those without a variable, let a value through."""
    for name, sign, text in _EQUAL.findall(query):
        if name == label:
            same = re.fullmatch(text, value) is not None if sign == "=~" else text == value
            if same is (sign == "!="):
                return False
    return True

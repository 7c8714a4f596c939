"""The worst requests as request_finished lines tell them: none of those is sampled away."""

from collections.abc import Sequence

from grafana.dashboards.measures import MICRODOLLARS
from grafana.dashboards.queries import Logs

SHOWN = ("tenant", "model", "outcome", "reason", "input_tokens", "output_tokens")
GPU_COST = "gpu_cost_microdollars"
_ROUNDED = (
    f"| label_format {GPU_COST}="
    f'`{{{{ if .{GPU_COST} }}}}{{{{ printf "%.1f" (float64 .{GPU_COST}) }}}}{{{{ end }}}}`'
)
"""A label is text to Grafana, which therefore rounds nothing; a null stays empty."""
HEADINGS = {
    "trace_id": ("Trace", "string"),
    "outcome": ("Outcome", "string"),
    "reason": ("Reason", "string"),
    "tenant": ("Tenant", "string"),
    "model": ("Model", "string"),
    "input_tokens": ("In", "none"),
    "output_tokens": ("Out", "none"),
}
DEAREST = {
    "Value #A": ("Cost", MICRODOLLARS),
    GPU_COST: ("Device µ$", "string"),
    **{name: heading for name, heading in HEADINGS.items() if name != "reason"},
}
WIDTHS = {
    "Duration": 80,
    "Cost": 80,
    "Device µ$": 80,
    "Trace": 232,
    "Outcome": 85,
    "Reason": 128,
    "Tenant": 82,
    "In": 42,
    "Out": 42,
}


def finished(*fields: str, chosen: str = "") -> str:
    """Return the LogQL of finished requests, in the scope of the variables and of `chosen`."""
    parse = ", ".join(f'{name}="{name}"' for name in ("event", *SHOWN, *fields))
    lines = (
        '{service_name="llm-server"} |= `request_finished` | service_instance_id=~"$instance" '
        f'| json {parse} | event="request_finished" | model=~"$model" | tenant=~"$tenant"'
    )
    return f"{lines} {chosen}".rstrip()


def slowest(above: str, *, chosen: str = "") -> Logs:
    """Return the ten longest requests of the time range that took longer than `above` seconds."""
    return _worst("duration_seconds", above, finished("duration_seconds", chosen=chosen), SHOWN)


def dearest(above: str, *, chosen: str = "") -> Logs:
    """Return the ten that cost most of those above `above` µ$, with their cost by device time."""
    lines = f"{finished('cost_microdollars', GPU_COST, chosen=chosen)} {_ROUNDED}"
    return _worst("cost_microdollars", above, lines, (*SHOWN, GPU_COST))


def _worst(field: str, above: str, lines: str, shown: Sequence[str]) -> Logs:
    kept = ", ".join(("trace_id", *shown))
    values = f"{lines} | {field} > {above} | unwrap {field} | __error__=``"
    return Logs(
        f"topk(10, max by ({kept}) (max_over_time({values} [$__range])))",
        instant=True,
    )

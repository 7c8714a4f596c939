"""The stores of the day: Prometheus takes what is pushed and makes nothing of its own.

A scrape or a rule would put a sample of now into it, and then the day would be too old to take.
"""

from collections.abc import Iterator, Mapping
from configparser import RawConfigParser
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import yaml

from stack.parts.lineup import LineUp
from stack.settings import Settings
from tests.bench import day_stores
from tests.bench.day_stores import COLLECTOR, PROMETHEUS
from tests.bench.scene.push import FLAG

_LEFT_OUT = ("rule_files", "alerting", "scrape_configs")
_KEPT_FOR = {"METRICS_RETENTION": "30y", "TRACES_RETENTION": "262800h", "LOGS_RETENTION": "262800h"}
"""The day is long past, and more so every day."""
_SHIPPED, _OURS = "%(ENV_REPO)s/prometheus ", "%(ENV_STATE_DIR)s/taking "
_NO_METRICS: Mapping[str, object] = {
    "service": {
        "pipelines": {
            "metrics": {"exporters": ["debug"]},
            "metrics/red": {"exporters": ["debug"]},
        }
    },
    "exporters": {"debug": {}},
}
"""For the Collector, beside its configuration: what it counts of the spans would be of now."""


@contextmanager
def running(settings: Settings, runs: LineUp) -> Iterator[None]:
    """Have the stores and the Collector run for the block."""
    lasting = replace(settings, values={**settings.values, **_KEPT_FOR})
    _configure(settings)
    with day_stores.running(lasting, runs, filling=True, change=partial(changed, settings)):
        yield


def _configure(settings: Settings) -> None:
    folder = settings.state / "taking"
    for name in ("rules", "alerts", "targets/native"):
        (folder / name).mkdir(parents=True)
    shipped = settings.repo / "prometheus" / "prometheus.yaml"
    kept = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    kept = {key: value for key, value in kept.items() if key not in _LEFT_OUT}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(kept), encoding="utf-8")
    (folder / "collector.yaml").write_text(yaml.safe_dump(dict(_NO_METRICS)), encoding="utf-8")


def changed(settings: Settings, config: RawConfigParser) -> None:
    """Have Prometheus take what is pushed, and the Collector push it no metrics."""
    prometheus, collector = f"program:{PROMETHEUS}", f"program:{COLLECTOR}"
    command = config.get(prometheus, "command").replace(_SHIPPED, _OURS)
    config.set(prometheus, "command", f"{command} {FLAG}")
    more = f" --config={settings.state}/taking/collector.yaml"
    config.set(collector, "command", config.get(collector, "command") + more)

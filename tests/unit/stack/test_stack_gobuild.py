import re
from pathlib import Path

import pytest

from stack.builds import gobuild
from stack.settings import load

REPO = Path(__file__).resolve().parents[3]
MODULES = {
    "node-exporter": "github.com/prometheus/node_exporter",
    "alertmanager": "github.com/prometheus/alertmanager",
    "otel-collector": "go.opentelemetry.io/collector/cmd/builder",
    "amtool": "github.com/prometheus/alertmanager",
    "actionlint": "github.com/rhysd/actionlint",
    "jaeger": "github.com/jaegertracing/jaeger",
    "victorialogs": "github.com/VictoriaMetrics/VictoriaLogs",
}


@pytest.mark.parametrize("module", sorted({recipe.module for recipe in gobuild.RECIPES}))
def test_every_module_names_the_binaries_we_build(module: str) -> None:
    text = (REPO / "native" / module / "go.mod").read_text()
    made = [recipe.packages for recipe in gobuild.RECIPES if recipe.module == module]
    assert text.startswith(f"module llm-observability/native/{module}\n")
    found = set(re.findall(r"^tool (\S+)", text, re.M))
    assert found == {package for packages in made for package in packages.values()}


@pytest.mark.parametrize("recipe", gobuild.RECIPES, ids=lambda recipe: recipe.part)
def test_module_and_image_have_the_same_version(recipe: gobuild.Recipe) -> None:
    text = (REPO / "native" / recipe.module / "go.mod").read_text()
    version = gobuild.version(load(REPO, {}), recipe)
    if recipe.module == "prometheus":
        major, minor, patch = version.split(".")
        assert f"prometheus/prometheus v0.{major}{minor}.{patch} " in text
    else:
        assert f"{MODULES[recipe.part]} v{version} " in text


def test_the_collectors_parts_have_the_version_of_its_image() -> None:
    lines = (REPO / "otel-collector" / "builder.yaml").read_text()
    recipe = next(recipe for recipe in gobuild.RECIPES if recipe.part == "otel-collector")
    version = gobuild.version(load(REPO, {}), recipe)
    parts = re.findall(r"gomod: (\S+) v(\S+)", lines)
    assert {found for name, found in parts if "/confmap/" not in name} == {version}


def test_a_changed_input_has_another_cache_folder(tmp_path: Path) -> None:
    recipe = next(recipe for recipe in gobuild.RUN if recipe.part == "node-exporter")
    module = tmp_path / "native" / recipe.part
    module.mkdir(parents=True)
    (module / "go.sum").write_text("")
    folders = set()
    for text in ("one", "two"):
        (module / "go.mod").write_text(text)
        folders.add(gobuild.folder(load(tmp_path, {recipe.version_key: "x/y:v1.2.3"}), recipe))
    assert len(folders) == 2
    assert all(path.name.startswith("node-exporter-1.2.3-") for path in folders)

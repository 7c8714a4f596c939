"""Compiles the backends from their pinned Go modules into the cache, once per version and input."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stack.builds import cache
from stack.errors import Fault
from stack.run import logged
from stack.say import step
from stack.settings import Settings

_COMMON = "github.com/prometheus/common/version.Version"
_FEW_DISCOVERIES = "remove_all_sd,enable_dns_sd"
AT_A_TIME = 2
"""Parts compiled side by side: one downloads and links while the other keeps the cores busy."""


@dataclass(frozen=True)
class Recipe:
    """How one part is compiled: its module's folder, its packages, and where its version goes."""

    part: str
    version_key: str
    packages: Mapping[str, str]
    version_at: str = _COMMON
    tags: str = ""
    folder: str = ""

    @property
    def module(self) -> str:
        """The folder in native/ with its go.mod."""
        return self.folder or self.part


RUN = (
    # The longest first: two are compiled at a time, and a long one at the end would run alone.
    Recipe(
        "jaeger",
        "JAEGER_VERSION",
        {"jaeger": "github.com/jaegertracing/jaeger/cmd/jaeger"},
        version_at="github.com/jaegertracing/jaeger/internal/version.latestVersion",
    ),
    Recipe(
        "prometheus",
        "PROMETHEUS_IMAGE",
        {"prometheus": "github.com/prometheus/prometheus/cmd/prometheus"},
        tags=_FEW_DISCOVERIES,
    ),
    Recipe(
        "otel-collector",
        "OTEL_COLLECTOR_IMAGE",
        {"ocb": "go.opentelemetry.io/collector/cmd/builder"},
        version_at="main.version",
    ),
    Recipe(
        "alertmanager",
        "ALERTMANAGER_IMAGE",
        {"alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager"},
    ),
    Recipe(
        "node-exporter",
        "NODE_EXPORTER_IMAGE",
        {"node_exporter": "github.com/prometheus/node_exporter"},
    ),
    Recipe(
        "victorialogs",
        "VICTORIALOGS_VERSION",
        {"victoria-logs": "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"},
        version_at="github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version",
    ),
)
"""What the stack runs."""
CHECKS = (
    Recipe(
        "promtool",
        "PROMETHEUS_IMAGE",
        {"promtool": "github.com/prometheus/prometheus/cmd/promtool"},
        tags=_FEW_DISCOVERIES,
        folder="prometheus",
    ),
    Recipe(
        "amtool",
        "ALERTMANAGER_IMAGE",
        {"amtool": "github.com/prometheus/alertmanager/cmd/amtool"},
        folder="alertmanager",
    ),
    Recipe(
        "actionlint",
        "ACTIONLINT_VERSION",
        {"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"},
        version_at="github.com/rhysd/actionlint.version",
    ),
)
"""What only checks and tests run."""
RECIPES = (*RUN, *CHECKS)


def version(settings: Settings, recipe: Recipe) -> str:
    """The version of this part in `.env`, its image's tag or alone, without its `v`."""
    tag = settings.values.get(recipe.version_key, "").rpartition(":")[2]
    if not tag:
        raise Fault(f".env has no {recipe.version_key}", "add it, for example NAME=image:v1.2.3")
    return tag.removeprefix("v")


def _inputs(settings: Settings, recipe: Recipe) -> list[Path | str]:
    folder = settings.repo / "native" / recipe.module
    files: list[Path | str] = [folder / "go.mod", folder / "go.sum"]
    if "ocb" in recipe.packages:
        files.append(settings.repo / "otel-collector" / "builder.yaml")
    return [*files, repr(recipe), os.uname().machine]


def folder(settings: Settings, recipe: Recipe) -> Path:
    """The cache folder of this part's binaries; it exists when they are complete."""
    key = cache.digest(_inputs(settings, recipe))
    return settings.cache / "bin" / f"{recipe.part}-{version(settings, recipe)}-{key}"


def missing(settings: Settings, wanted: Iterable[Recipe] = RECIPES) -> list[Recipe]:
    """Those of the wanted parts that have to be compiled first."""
    return [recipe for recipe in wanted if not folder(settings, recipe).exists()]


def binary(settings: Settings, name: str) -> Path:
    """The path of a compiled binary by its name; raises KeyError for a name nobody makes."""
    made = {"otelcol": "ocb"}.get(name, name)
    owner = {binary: recipe for recipe in RECIPES for binary in recipe.packages}[made]
    return folder(settings, owner) / name


def _go_env() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}


def _compile(source: Path, packages: list[str], out: str, flags: list[str], log: Path) -> None:
    command = ["go", "build", "-C", str(source), "-trimpath", *flags, "-o", out, *packages]
    logged(command, log, env=_go_env())


def _flags(settings: Settings, recipe: Recipe) -> list[str]:
    stamp = f"-s -w -X {recipe.version_at}={version(settings, recipe)}"
    tags = ["-tags", recipe.tags] if recipe.tags else []
    return [*tags, "-ldflags", stamp]


def _generate_collector(settings: Settings, out: Path, log: Path) -> None:
    """Turn builder.yaml into Go sources with the builder just made, and compile those."""
    config = settings.repo / "otel-collector" / "builder.yaml"
    with tempfile.TemporaryDirectory(prefix="otelcol-") as sources:
        command = [str(out / "ocb"), "--config", str(config), "--skip-compilation"]
        logged([*command, "--output-path", sources], log, env=_go_env())
        _compile(Path(sources), ["."], str(out / "otelcol"), ["-ldflags", "-s -w"], log)


def _fill(settings: Settings, recipe: Recipe, out: Path, log: Path) -> None:
    source, flags = settings.repo / "native" / recipe.module, _flags(settings, recipe)
    for name, package in recipe.packages.items():
        _compile(source, [package], str(out / name), flags, log)
    if "ocb" in recipe.packages:
        _generate_collector(settings, out, log)


def build(settings: Settings, recipe: Recipe) -> None:
    """Compile one part into the cache unless it is there; raises Fault with the log's tail."""
    target, log = folder(settings, recipe), settings.logs / f"build-{recipe.part}.log"
    with cache.locked(settings.cache / "bin" / f".lock-{recipe.part}", f"compiling {recipe.part}"):
        if target.exists():
            return
        log.unlink(missing_ok=True)
        with step(f"building {recipe.part} {version(settings, recipe)}"):
            cache.make_folder(target, lambda out: _fill(settings, recipe, out, log))


def build_all(settings: Settings, wanted: Iterable[Recipe]) -> None:
    """Compile those of the parts that are missing; raises the first one's Fault at the end."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        jobs = [pool.submit(build, settings, recipe) for recipe in missing(settings, wanted)]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def needed_go(repo: Path) -> tuple[int, ...]:
    """The newest Go version that any of the modules asks for."""
    mods = [path.read_text() for path in sorted((repo / "native").glob("*/go.mod"))]
    found = [re.search(r"^go ([\d.]+)", text, re.M) for text in mods]
    return max(tuple(map(int, match.group(1).split("."))) for match in found if match)


def _go_says(*arguments: str) -> str:
    done = subprocess.run(["go", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def check_toolchain(repo: Path) -> None:
    """Raise Fault when Go is missing, or too old and not allowed to fetch its successor."""
    wanted = ".".join(map(str, needed_go(repo)))
    fix = f"install Go {wanted} or newer (https://go.dev/dl) and put it on PATH"
    if not shutil.which("go"):
        raise Fault("the Go toolchain is missing and the backends are not compiled yet", fix)
    have = re.search(r"go(\d+(?:\.\d+)*)", _go_says("env", "GOVERSION"))
    numbers = tuple(map(int, have.group(1).split("."))) if have else (0,)
    fetches = numbers >= (1, 21) and _go_says("env", "GOTOOLCHAIN") != "local"
    if numbers < needed_go(repo) and not fetches:
        raise Fault(f"Go {'.'.join(map(str, numbers))} is too old", fix)

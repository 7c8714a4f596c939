"""`make up`: everything from nothing, or a word that it is up already."""

from concurrent.futures import ThreadPoolExecutor

from stack.builds import gobuild, venv
from stack.commands.welcome import welcome
from stack.containers import compose, remote
from stack.drills import left
from stack.errors import Fault
from stack.native import orphans, processes, supervisor, turn
from stack.parts import lineup, memo
from stack.parts.lineup import Choice, LineUp
from stack.parts.table import parts
from stack.readiness import checkout, health, preflight, ways
from stack.receivers import backend, render
from stack.receivers.chosen import Receiver, chosen
from stack.receivers.running import reload
from stack.say import say, step, title
from stack.settings import Settings


def _wish(settings: Settings) -> dict[str, str]:
    return {"model": settings.served_name, "args": settings.vllm_args}


def _second(settings: Settings) -> dict[str, str]:
    found = backend.chosen(settings)
    return {backend.ENDPOINT: found.endpoint if found else ""}


def _remember(settings: Settings, way: str, runs: LineUp) -> None:
    memo.remember(
        settings, {"way": way, **_wish(settings), **_second(settings), **lineup.words(runs)}
    )


def _put_back(settings: Settings, model: str) -> None:
    if left.put_back(settings, model):
        say("  put back what a drill that was killed had left")


def _already_native(
    settings: Settings, found: supervisor.Supervisor, receivers: tuple[Receiver, ...]
) -> None:
    say("already up (native)")
    known = memo.remembered(settings)
    if known and {key: known.get(key) for key in _wish(settings)} != _wish(settings):
        say(f"  it serves {known.get('model')}: `make down && make up` changes that")
    for key, name in lineup.words(lineup.running(settings)).items():
        if settings.values.get(key, name) not in ("", name):
            say(f"  it runs with {key}={name}: `make down && make up` changes that")
    if known and known.get(backend.ENDPOINT, "") != _second(settings)[backend.ENDPOINT]:
        say(f"  {backend.ENDPOINT} has changed: `make down && make up` follows it")
    left.clear(settings, found)
    render.write(settings, receivers, render.on_host)
    found.start_all()
    wanted = parts(lineup.running(settings))
    health.wait(settings, wanted, found.processes, aloud=False)
    _put_back(settings, str(known.get("model", "")))
    reload()
    say(f"  all {len(wanted)} parts are healthy")


def _make_environment(settings: Settings) -> str:
    """Make the server's environment, then its model, which needs it; return the model."""
    venv.make(settings, "native")
    with step(f"preparing {settings.served_name}"):
        return processes.make_model(settings)


def _prepare(settings: Settings, runs: LineUp) -> str:
    """Make what is not in the cache yet, side by side, and return the model to serve."""
    title("1/2  Parts and model")
    settings.logs.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as beside:
        model = beside.submit(_make_environment, settings)
        gobuild.build_all(settings, processes.recipes(runs))
        made = model.result()
    say("  all parts are in the cache")
    return made


def _start_native(settings: Settings, choice: Choice, receivers: tuple[Receiver, ...]) -> None:
    runs = choice.lineup
    wanted = parts(runs)
    if orphans.find(settings):
        with step("ending what outlived an earlier supervisord"):
            orphans.end(settings)
    left.clear(settings)
    preflight.native(settings, wanted, processes.recipes(runs))
    model = _prepare(settings, runs)
    title("2/2  Start")
    try:
        settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Before the start: what is killed in between leaves parts that have to be known.
        _remember(settings, "native", runs)
        found = processes.start(settings, model, runs, receivers)
        took = health.wait(settings, wanted, found.processes)
        _put_back(settings, settings.served_name)
    except (Fault, KeyboardInterrupt):
        say("  taking down what was started")
        processes.stop(settings)
        memo.forget(settings)
        raise
    slowest = max(took, key=lambda name: took[name])
    say(f"  all healthy; the slowest was {slowest} with {took[slowest]:.0f} s")


def _start_compose(settings: Settings, receivers: tuple[Receiver, ...]) -> None:
    lineup.check_compose(settings)
    checkout.check_line_ends(settings)
    checkout.check_readable(settings)
    preflight.check_retentions(settings)
    compose.up(settings, receivers)
    _remember(settings, "compose", lineup.COMPOSE)


def _tell(settings: Settings, receivers: tuple[Receiver, ...]) -> None:
    if second := backend.chosen(settings):
        say(f"  traces and logs go to {second.shown} as well (docs/existing-stack.md)")
    more = "".join(f", {receiver.shown}" for receiver in receivers)
    fix = (
        "`make alert-test` follows one" if more else "docs/alerts.md tells of Slack, e-mail, pages"
    )
    say(f"  alerts go to the log store{more} ({fix})")


def up(settings: Settings) -> int:
    """Start the stack the way that suits this machine and wait until all of it is healthy."""
    with turn.taken(settings, turn.UP):
        receivers = chosen(settings)
        # What cannot be is said before anything is built.
        backend.chosen(settings)
        proxy = remote.chosen(settings)
        if found := supervisor.running(settings):
            _already_native(settings, found, receivers)
            _tell(settings, receivers)
            welcome(settings)
            return 0
        way = ways.choose(settings.values, ways.machine())
        say(f"way: {way.name} ({way.why})")
        if way.name == "compose":
            _start_compose(settings, receivers)
            for address in proxy.shown if proxy else ():
                say(f"  for other machines: {address}")
        else:
            choice = lineup.choose(settings)
            for line in choice.why:
                say(f"  {line}")
            if proxy:
                say(f"  no proxy for {proxy.host}: that is a container (docs/remote.md)")
            _start_native(settings, choice, receivers)
        _tell(settings, receivers)
        welcome(settings)
    return 0


def down(settings: Settings) -> int:
    """Stop whatever runs and wait for its end; the data stays; raises Fault beside a drill."""
    turn.refuse_beside_drill(turn.drill_pid(settings))
    if memo.remembered(settings).get("way") == "compose":
        compose.down(settings)
        stopped = True
    else:
        with step("stopping every part"):
            stopped = processes.stop(settings)
    memo.forget(settings)
    say(f"down; data stays in {settings.state}" if stopped else "nothing was running")
    return 0

"""The course of drills: calm before, the alerts and no others, silence after."""

import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from stack.alerts.alert import WATCHDOG, Alert
from stack.alerts.read import read
from stack.drills import servers
from stack.drills.drill import Drill, Expected
from stack.drills.receiver import Notice
from stack.drills.scene import Scene
from stack.errors import Fault
from stack.say import paint, say, ticking

CALM_SECONDS = 240.0
LOOK_SECONDS = 1.0
SETTLE_SECONDS = 6.0
"""More than one evaluation: what the same cause sets off a moment later counts as well."""
_STARTING = "ServerNotReady"
RESTART = ("TargetDown", "TargetRestarted", "ScrapeFlapping", _STARTING)
"""What may fire while a server is exchanged."""
OF_MODEL = (
    "AbortShareHigh",
    "CostPer1kOutputTokensHigh",
    "CostSpike",
    "ErrorBudgetBurn",
    "GpuCostMissing",
    "UnpricedModel",
)
"""What real requests set off, and what speaks of a model: the one that the stack serves."""
FORECASTS = ("DiskWillFill",)
"""What a shortened window makes of any burst of writes: the drill's own has another instance."""
SENSITIVE = ("EventLoopLagHigh",)
"""One moment in a hundred of 20 seconds, not of 5 minutes: two busy cores do that by themselves."""


@dataclass(frozen=True)
class Seen:
    """One expected alert as it came: Unix seconds when it fired and when it arrived."""

    expected: Expected
    fired: float
    arrived: float


@dataclass
class Result:
    """How a drill went; `problem` is empty for one that went well."""

    drill: Drill
    began: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    silent_after: float | None = None
    problem: str = ""


def is_noise(labels: Mapping[str, str]) -> bool:
    """True for a forecast about the real machine, made of a minute instead of hours."""
    ours = labels.get("instance", "").startswith("drill")
    return labels.get("alertname") in FORECASTS and not ours


def loud(drill: Drill, board_alerts: Iterable[Alert]) -> list[Alert]:
    """Those that stand in this drill's way: a busy machine alone is nobody's to wait for."""
    idle = set(SENSITIVE) - {one.name for one in drill.expected}
    return [one for one in board_alerts if not is_noise(one.labels) and one.name not in idle]


def _fires(board_alerts: Iterable[Alert]) -> str:
    return ", ".join(sorted({alert.name for alert in board_alerts}))


def wait_calm(drill: Drill, limit: float = CALM_SECONDS) -> None:
    """Wait until nothing fires and nothing is about to; raises Fault naming what does."""
    what, until = drill.name, time.monotonic() + limit
    quiet_looks = 0
    with ticking(f"{what}: waiting for calm") as ticker:
        while quiet_looks < 3:
            board = read()
            left = loud(drill, board.alerts)
            quiet_looks = quiet_looks + 1 if board.prometheus and not left else 0
            if left:
                ticker.label = f"{what}: waiting for the end of {_fires(left)}"
            if time.monotonic() > until:
                still = _fires(left) or "Prometheus does not answer"
                raise Fault(f"no calm after {limit:.0f} s: {still}", "see `make alerts`")
            time.sleep(LOOK_SECONDS)


def _at_prometheus(expected: Expected) -> Seen | None:
    found = [a for a in read().alerts if a.is_firing and expected.is_met_by(a.labels)]
    return Seen(expected, found[0].since, time.time()) if found else None


def _arrived(expected: Expected, notices: list[Notice], began: float) -> Seen | None:
    found = [n for n in notices if expected.is_met_by(n.labels) and n.arrived >= began]
    return Seen(expected, found[0].fired, found[0].arrived) if found else None


def touched(drills: Iterable[Drill], model: str) -> list[Expected]:
    """Every alert that these drills may have set off, by what its labels were then."""
    found = list[Expected]()
    for drill in drills:
        ours = [*drill.expected, *drill.allowed]
        if not drill.recorded:
            ours = [_of(servers.MODELS.get(drill.server, model), one) for one in ours]
        found += ours
        found += [_of_restart(name) for name in RESTART if drill.server]
    return found


def _of_restart(name: str) -> Expected:
    labels = {"reason": "starting"} if name == _STARTING else {"job": "llm-server"}
    return Expected(name, labels)


def _of(model: str, alert: Expected) -> Expected:
    """The alert of the model that the drill's callers asked."""
    more = {"model": model} if alert.name in OF_MODEL else {}
    return Expected(alert.name, {**alert.labels, **more})


def strangers(
    drill: Drill, notices: Iterable[Notice], began: float, more: Iterable[str] = ()
) -> list[str]:
    """Names of alerts that arrived and have no business to, in a drill that began then.

    What fired before its cause is not of it: the end of such a one may arrive late.
    """
    ours = {one.name for one in (*drill.expected, *drill.allowed)}
    known = {*ours, *more, *SENSITIVE, WATCHDOG}
    new = {each.name for each in notices if each.fired >= began and not is_noise(each.labels)}
    return sorted(new - known)


def _collect(scene: Scene, drill: Drill, result: Result) -> None:
    """Wait for every expected alert; raises Fault for one that does not come, or a stranger."""
    until = time.monotonic() + drill.seconds
    with ticking(drill.name) as ticker:
        while missing := [e for e in drill.expected if e not in [s.expected for s in result.seen]]:
            ticker.label = f"{drill.name}: waiting for {', '.join(map(str, missing))}"
            notices = scene.receiver.notices()
            for one in missing:
                found = _at_prometheus(one) if one.at_prometheus else None
                if found or (found := _arrived(one, notices, scene.began)):
                    result.seen.append(found)
            if foreign := strangers(drill, notices, scene.began):
                raise Fault(f"{', '.join(foreign)} arrived, which this cause does not explain")
            if time.monotonic() > until:
                names = ", ".join(map(str, missing))
                raise Fault(f"{names} did not arrive within {drill.seconds:.0f} s")
            time.sleep(LOOK_SECONDS)
        time.sleep(SETTLE_SECONDS)
    if foreign := strangers(drill, scene.receiver.notices(), scene.began):
        raise Fault(f"{', '.join(foreign)} arrived, which this cause does not explain")


def _unended(scene: Scene, drill: Drill) -> list[str]:
    """Expected alerts that arrived and whose end has not."""
    told = [
        n for n in scene.receiver.notices() if any(e.is_met_by(n.labels) for e in drill.expected)
    ]
    return sorted({notice.name for notice in told if not notice.ended})


def _wait_silence(scene: Scene, drill: Drill, result: Result, more: tuple[str, ...] = ()) -> None:
    """Wait until nothing fires and each end has arrived; raises Fault."""
    restored = time.time()
    until = time.monotonic() + CALM_SECONDS
    with ticking(drill.name) as ticker:
        while True:
            firing, unended = loud(drill, read().firing), _unended(scene, drill)
            if not firing and not unended:
                break
            ticker.label = f"{drill.name}: waiting for the end of {_fires(firing) or unended[0]}"
            if time.monotonic() > until:
                what = f"{_fires(firing)} still fires" if firing else f"no end of {unended[0]} came"
                raise Fault(f"{CALM_SECONDS:.0f} s after the restore {what}")
            time.sleep(LOOK_SECONDS)
    result.silent_after = time.time() - restored
    if foreign := strangers(drill, scene.receiver.notices(), scene.began, more):
        raise Fault(f"{', '.join(foreign)} arrived after it, which this cause does not explain")


def perform(scene: Scene, drill: Drill) -> Result:
    """Make the cause, collect its alerts, take the cause away and wait for silence."""
    result = Result(drill)
    try:
        wait_calm(drill)
        scene.receiver.forget()
        scene.receiver.refuses = ""
        scene.begin()
        with drill.cause(scene):
            _collect(scene, drill, result)
        if not drill.ends_with_server:
            _wait_silence(scene, drill, result)
    except (Fault, OSError, xmlrpc.client.Error) as fault:
        result.problem = str(fault)
    result.began = scene.began
    scene.receiver.refuses = ""
    show(result)
    return result


def show(result: Result) -> None:
    """One line for each alert of a drill, or why it failed."""
    drill = result.drill
    mark = paint("✗", "red") if result.problem else paint("✓", "green")
    kind = " (recorded series)" if drill.recorded else ""
    silent = result.silent_after
    after = "" if silent is None else f"  silent {silent:.0f} s after the restore"
    say(f"  {mark} {drill.name}{kind}{after}")
    for one in result.seen:
        fired, arrived = one.fired - result.began, one.arrived - result.began
        where = "seen at Prometheus" if one.expected.at_prometheus else "arrived"
        say(f"      {one.expected}: fired {fired:.0f} s after the cause, {where} {arrived:.0f} s")
    if result.problem:
        say(f"      {paint(result.problem, 'red')}")


def run(scene: Scene, drills: Iterable[Drill]) -> list[Result]:
    """Perform the drills, those of one server together."""
    results = []
    for name, group in groupby(drills, key=lambda drill: drill.server):
        with servers.serving(scene, name):
            own = [perform(scene, drill) for drill in group]
        for result in own:
            if result.drill.ends_with_server and not result.problem:
                _after_server(scene, result)
        results += own
    return results


def _after_server(scene: Scene, result: Result) -> None:
    """What only ends with the drill's server has to end now."""
    try:
        _wait_silence(scene, result.drill, result, RESTART)
        after = f"silent {result.silent_after:.0f} s after the server of the drill was gone"
        say(f"  {paint('✓', 'green')} {result.drill.name}  {after}")
    except Fault as fault:
        result.problem = str(fault)
        show(result)

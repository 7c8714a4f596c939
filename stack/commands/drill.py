"""`make drill`: makes causes on the running stack and times their alerts to a receiver."""

import signal
import time
from contextlib import suppress
from types import FrameType

from stack.alerts.alert import Alert
from stack.alerts.read import read
from stack.drills import aftermath, course, left, table
from stack.drills.course import Result
from stack.drills.drill import Drill
from stack.drills.hands import Hands
from stack.drills.receiver import receiving
from stack.drills.rig import STOPS, rigged
from stack.drills.scene import Scene
from stack.errors import Fault
from stack.native import turn
from stack.parts import memo
from stack.say import clock, outliving_readers, say, title
from stack.settings import Settings


def _list() -> int:
    say("make drill CAUSE=name, or ALL=1:")
    for drill in table.DRILLS:
        kind = "recorded series: " if drill.recorded else ""
        say(f"  {drill.name:<22} {kind}{drill.about}")
        say(f"  {'':<22}   -> {', '.join(map(str, drill.expected))}")
    return 0


def chosen(settings: Settings) -> tuple[Drill, ...]:
    """The drills that are asked for; raises Fault for a name that is none."""
    if settings.values.get("ALL", "") not in ("", "0"):
        return table.ALL
    wanted = [name for name in settings.values.get("CAUSE", "").split(",") if name]
    known = {drill.name: drill for drill in (*table.DRILLS, *table.ALL)}
    for name in wanted:
        if name not in known:
            raise Fault(f"CAUSE={name} is no drill", "`make drill` lists them", code=2)
    return tuple(drill for name, drill in known.items() if name in wanted)


def _is_aftermath(alert: Alert) -> bool:
    """True for what an earlier drill left in the long windows of the shipped rules."""
    return any(f"by {aftermath.AUTHOR}:" in why for why in alert.suppressed_by)


def _check(hands: Hands) -> None:
    """Raise Fault where a drill could not tell its own alerts from others."""
    if lines := left.found(hands.settings):
        raise Fault(f"a drill was killed: {'; '.join(lines)}", "`make up`")
    board = read()
    if not board.prometheus or not board.alertmanager:
        raise Fault("Prometheus or Alertmanager does not answer", "`make status`, then `make up`")
    heard = [alert for alert in board.firing if not _is_aftermath(alert)]
    if heard and hands.settings.values.get("FORCE", "") in ("", "0"):
        names = ", ".join(sorted({alert.name for alert in heard}))
        fix = "see `make alerts`: mend it, or FORCE=1, and nobody is told of it during the drill"
        raise Fault(f"{names} fires already", fix)


def _summary(results: list[Result], seconds: float) -> int:
    failed = [result.drill.name for result in results if result.problem]
    title(f"{len(results) - len(failed)} of {len(results)} drills passed in {clock(seconds)}")
    if failed:
        raise Fault(f"failed: {', '.join(failed)}", "the reasons stand above")
    return 0


def _patience(number: int, frame: FrameType | None) -> None:  # noqa: ARG001, the signal's own
    # A signal may come in the midst of a line that is being printed.
    with suppress(RuntimeError):
        say("  putting the stack back first")


def _interrupted(number: int, frame: FrameType | None) -> None:  # noqa: ARG001, the signal's own
    """The first word to stop ends the drill; another one while it is taken back changes nothing."""
    for each in STOPS:
        signal.signal(each, _patience)
    raise KeyboardInterrupt


def _heed_stops() -> None:
    for each in STOPS:
        # nohup has the end of the terminal ignored: so do we then.
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _interrupted)


def drill(settings: Settings) -> int:
    """List the drills, or perform those asked for; raises Fault when one fails."""
    drills = chosen(settings)
    if not drills:
        return _list()
    if memo.remembered(settings).get("way") == "compose":
        raise Fault("drills need the native stack", "make down && MODE=native make up")
    hands = Hands(settings)
    hands.supervisor()
    with turn.taken(settings, turn.DRILL), outliving_readers():
        return _perform(hands, drills)


def _perform(hands: Hands, drills: tuple[Drill, ...]) -> int:
    settings, started = hands.settings, time.monotonic()
    _check(hands)
    _heed_stops()
    title(f"{len(drills)} drills; people's receivers are not told of them")
    with receiving() as receiver, rigged(settings, receiver.url) as rig:
        lifted = aftermath.lift()
        scene = Scene(settings, hands, rig, receiver)
        # Now: the drill may leave no server behind that could be asked.
        model = scene.model
        try:
            results = course.run(scene, drills)
        finally:
            aftermath.quiet(course.touched(drills, model), lifted)
    return _summary(results, time.monotonic() - started)

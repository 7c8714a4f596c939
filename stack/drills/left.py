"""What a killed drill leaves on its stack: said by `make status`, put right by `make up`."""

import shutil

from stack.drills import aftermath, course, routes, table
from stack.drills.causes.cost import obstacle
from stack.drills.hands import MARK
from stack.drills.rig import Rig
from stack.http import get_json
from stack.native import family, orphans
from stack.native.supervisor import Supervisor
from stack.receivers.running import URL as ALERTMANAGER
from stack.settings import Settings


def _stand_ins(settings: Settings) -> list[int]:
    """The drill's own servers and Collectors with all below them, of any drill of this stack."""
    roots = [pid for pid in orphans.find(settings) if orphans.value_of(MARK, pid)]
    return sorted({*roots, *(pid for root in roots for pid in family.below(root))})


def _is_in_force() -> bool:
    """True where Alertmanager itself tells a drill's receiver."""
    known = get_json(f"{ALERTMANAGER}/api/v2/receivers") or []
    return any(one.get("name") == routes.NAME for one in known)


def found(settings: Settings) -> list[str]:
    """What a drill left, a line each; only to be asked while no drill runs."""
    rig = Rig(settings)
    signs = {
        "alerts go to a drill's receiver, and people are told of none": _is_in_force()
        or rig.is_routed,
        "Prometheus evaluates a drill's shortened rules": rig.is_linked,
        "Prometheus scrapes a drill's targets": any(rig.extra.glob("drill-*")),
        "the server's books cannot be written": obstacle(settings).is_dir(),
        "a drill's process stands in the place of a part": bool(_stand_ins(settings)),
    }
    return [line for line, is_there in signs.items() if is_there]


def clear(settings: Settings, running: Supervisor | None = None) -> None:
    """Take away what would hinder a start, and wake what is stopped; all parts may be down."""
    orphans.end_these(_stand_ins(settings))
    if running:
        orphans.wake({*orphans.find(settings), *family.below(running.pid())})
    Rig(settings).clear_targets()
    if obstacle(settings).is_dir():
        obstacle(settings).rmdir()


def put_back(settings: Settings, model: str) -> bool:
    """Give Prometheus its shipped files and silence what the drill set off; False for no drill.

    Alertmanager's file is then to be written and read anew. Raises Fault where a part refuses.
    """
    rig = Rig(settings)
    if not (rig.is_linked or rig.is_routed or rig.folder.exists()):
        return False
    if rig.is_linked:
        rig.link_shipped()
    # Which drills had run nobody knows: what any of them sets off is kept back as after ALL=1.
    aftermath.quiet(course.touched(table.ALL, model), aftermath.lift())
    shutil.rmtree(rig.folder, ignore_errors=True)
    return True

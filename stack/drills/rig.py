"""What every drill needs of the running stack: shortened rules and the drill's receiver.

Both lie in the state folder and stand in for the shipped ones until they are put back. What a drill
that is killed leaves of them `make up` puts back (stack/drills/left.py); no drill begins on it.
"""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.drills import routes, windows
from stack.errors import Fault
from stack.http import answered, get_text
from stack.native import supervisor
from stack.receivers import render
from stack.receivers.chosen import chosen
from stack.receivers.running import URL as ALERTMANAGER
from stack.request.signals import PROMETHEUS, poll
from stack.settings import Settings

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""By what a person, a machine that goes down and a terminal that is closed end a drill."""
RELOAD_SECONDS = 30.0
_LINKED = ("prometheus.yaml", "rules", "alerts", "targets")
_RELOADED = re.compile(r"^prometheus_config_last_reload_success_timestamp_seconds (\S+)$", re.M)
_WORKED = re.compile(r"^prometheus_config_last_reload_successful 1$", re.M)
_EVALUATION = re.compile(r"^(  evaluation_interval: ).*$", re.M)


def _link(path: Path, target: Path) -> None:
    """Make the path a link to the target, at once."""
    scratch = path.with_name(f".{path.name}.drill")
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(target)
    os.replace(scratch, path)


def _reloaded() -> tuple[float, bool]:
    """When Prometheus last took a configuration (Unix seconds), and whether it took the newest."""
    page = get_text(f"{PROMETHEUS}/metrics") or ""
    found = _RELOADED.search(page)
    return float(found.group(1)) if found else 0.0, bool(_WORKED.search(page))


class Rig:
    """The swapped files of Prometheus and Alertmanager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shipped = settings.repo / "prometheus"
        self._linked = settings.run / "prometheus"
        self._routes = render.path(settings)
        self.folder = settings.run / "drill"
        self._kept = self.folder / "alertmanager.yaml"

    @property
    def alerts(self) -> Path:
        """The folder of shortened alerts; what is put there is read at the next reload."""
        return self.folder / "alerts"

    @property
    def targets(self) -> Path:
        """The folder of the drill's copy of the targets."""
        return self.folder / "targets"

    @property
    def extra(self) -> Path:
        """The folder whose targets Prometheus reads without a reload."""
        return self._linked / "targets-extra"

    @property
    def is_linked(self) -> bool:
        """True where Prometheus would read a drill's files."""
        links = (self._linked / name for name in _LINKED)
        return any(link.is_symlink() and self.folder in link.readlink().parents for link in links)

    @property
    def is_routed(self) -> bool:
        """True where Alertmanager would read a drill's receiver."""
        return routes.has_drill(self._text()) or self._kept.exists()

    def _text(self) -> str:
        return self._routes.read_text(encoding="utf-8") if self._routes.exists() else ""

    def write(self) -> None:
        """Write the shortened copies of what is shipped, and of the targets of the native way.

        Raises Fault, and touches nothing, where a drill that was killed left its own in force.
        """
        if self.is_linked or self.is_routed:
            raise Fault("a drill that was killed left its files in force", "`make up`")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.clear_targets()
        for name in ("rules", "alerts"):
            (self.folder / name).mkdir(parents=True)
            for file in sorted((self._shipped / name).glob("*.yaml")):
                short = windows.at_once(windows.rules(file.read_text(encoding="utf-8")))
                (self.folder / name / file.name).write_text(short, encoding="utf-8")
        config = (self._shipped / "prometheus.yaml").read_text(encoding="utf-8")
        short = _EVALUATION.sub(rf"\g<1>{windows.EVALUATION_SECONDS}s", config)
        (self.folder / "prometheus.yaml").write_text(short, encoding="utf-8")
        shutil.copytree(self._shipped / "targets" / "native", self.targets)

    def clear_targets(self) -> None:
        """Take the targets of the drill's own out of Prometheus's list."""
        for left in self.extra.glob("drill-*"):
            left.unlink(missing_ok=True)

    def _pid(self, name: str) -> int:
        running = supervisor.running(self._settings)
        pid = running.processes()[name].pid if running else 0
        if not pid:
            raise Fault(f"{name} does not run", "`make status`, then `make up`")
        return pid

    def reload_prometheus(self) -> None:
        """Make Prometheus read its files again; raises Fault where it refuses them."""
        before, _ = _reloaded()
        os.kill(self._pid("prometheus"), signal.SIGHUP)
        until = time.monotonic() + RELOAD_SECONDS
        while time.monotonic() < until:
            at, worked = _reloaded()
            if at > before and worked:
                return
            time.sleep(0.2)
        raise Fault("Prometheus did not take its files", "read `make logs PART=prometheus`")

    def link_drill(self) -> None:
        """Let Prometheus read the drill's files."""
        self._link_prometheus(self.folder)

    def link_shipped(self) -> None:
        """Let Prometheus read the shipped files."""
        self._link_prometheus(self._shipped)

    def _link_prometheus(self, folder: Path) -> None:
        for name in _LINKED:
            native = name == "targets" and folder == self._shipped
            _link(self._linked / name, folder / name / "native" if native else folder / name)
        self.reload_prometheus()

    @contextmanager
    def targets_changed(self, name: str, change: Callable[[str], str]) -> Iterator[None]:
        """Have Prometheus read another text of a file of targets, for the block."""
        file = self.targets / name
        shipped = file.read_text(encoding="utf-8")
        file.write_text(change(shipped), encoding="utf-8")
        try:
            self.reload_prometheus()
            yield
        finally:
            file.write_text(shipped, encoding="utf-8")
            self.reload_prometheus()

    def reload_alertmanager(self) -> None:
        """Make Alertmanager read its file again; raises Fault where it refuses it."""
        poll(lambda: get_text(f"{ALERTMANAGER}/-/ready"), RELOAD_SECONDS)
        status, why = answered(f"{ALERTMANAGER}/-/reload", b"")
        if status != 200:
            raise Fault(
                f"Alertmanager refused its file: {why}", "read `make logs PART=alertmanager`"
            )

    def route(self, url: str) -> None:
        """Put the drill's receiver in front of the others; nothing new where it is there already.

        Raises Fault for another drill's receiver, and for a file that has no place for one.
        """
        text = self._text()
        if not routes.leads_to(text, url):
            if routes.has_drill(text):
                raise Fault(f"{self._routes} has another drill's receiver", "`make up`")
            try:
                ours = routes.with_drill(text, url)
            except routes.NoPlaceError as error:
                fix = "mend it: `make up` writes it anew"
                raise Fault(f"{self._routes}: {error}", fix) from error
            scratch = self.folder / "routed.yaml"
            scratch.write_text(ours, encoding="utf-8")
            scratch.chmod(0o600)
            shutil.copy2(self._routes, self._kept)
            os.replace(scratch, self._routes)
        self.reload_alertmanager()

    def unroute(self) -> None:
        """Put back what was there before; made anew where the copy of it is gone."""
        if self._kept.exists():
            os.replace(self._kept, self._routes)
        elif routes.has_drill(self._text()):
            render.write(self._settings, chosen(self._settings), render.on_host)
        else:
            return
        self.reload_alertmanager()

    def put_back(self) -> None:
        """Everything as it was; what fails does not keep the rest from being put back."""
        faults = [*_tried(self.link_shipped), *_tried(self.unroute)]
        if faults:
            raise faults[0]
        shutil.rmtree(self.folder, ignore_errors=True)


def _tried(action: Callable[[], None]) -> list[Fault]:
    try:
        action()
    except Fault as fault:
        return [fault]
    return []


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Nobody's impatience leaves the files as they are: it takes a minute at most."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def rigged(settings: Settings, url: str) -> Iterator[Rig]:
    """Shortened rules and the receiver at this URL, for the block."""
    rig = Rig(settings)
    rig.write()
    try:
        rig.link_drill()
        rig.route(url)
        yield rig
    finally:
        with _undisturbed():
            rig.put_back()

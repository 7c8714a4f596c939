"""What a drill may do to the parts: stop, start, kill, pause; each is back at its block's end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from stack.errors import Fault
from stack.http import probe
from stack.native import family, orphans, supervisor
from stack.native.program import program, variables_of
from stack.native.supervisor import Process, Supervisor
from stack.parts import lineup
from stack.parts.table import CORE, STORES, Part
from stack.run import last_error
from stack.settings import Settings

BACK_SECONDS = 300.0
END_SECONDS = 60.0
MARK = "LLM_OBSERVABILITY_DRILL"
"""In the environment of what a drill puts in the place of a part."""


def wait(what: str, look: Callable[[], object], limit: float) -> None:
    """Wait until `look` finds something; raises Fault after so many seconds."""
    until = time.monotonic() + limit
    while not look():
        if time.monotonic() > until:
            raise Fault(f"after {limit:.0f} s still no {what}", "`make status`")
        time.sleep(0.25)


@dataclass
class Hands:
    """Hands on the processes of one native stack."""

    settings: Settings

    def supervisor(self) -> Supervisor:
        """The supervisord of this stack; raises Fault where none runs."""
        if found := supervisor.running(self.settings):
            return found
        raise Fault("no native stack of this state folder runs", "MODE=native make up")

    def variables(self) -> dict[str, str]:
        """What `make up` gave this stack: every variable of its parts' configurations."""
        return variables_of(self.supervisor().pid())

    def name(self, part: str) -> str:
        """The part that stands for `traces` or `logs`, any other as it is called."""
        runs = lineup.running(self.settings)
        return {"traces": runs.traces, "logs": runs.logs}.get(part, part)

    def part(self, part: str) -> Part:
        """A part of the table."""
        every = {each.name: each for each in (*CORE, *STORES.values())}
        return every[self.name(part)]

    def process(self, part: str) -> Process:
        """What supervisord knows of it."""
        return self.supervisor().processes()[self.name(part)]

    def pid(self, part: str) -> int:
        """Its process id; raises Fault where it does not run."""
        if pid := self.process(part).pid:
            return pid
        raise Fault(f"{self.name(part)} does not run", "`make status`, then `make up`")

    def engine_core(self) -> int:
        """The process id of the engine core; raises Fault where there is none."""
        if pid := family.engine_core(self.pid("server")):
            return pid
        raise Fault("the server has no engine core", "`make status`")

    def wait_ready(self, part: str) -> None:
        """Wait until a part answers its probe."""
        wait(f"answer of {self.name(part)}", lambda: probe(self.part(part).probe_url), BACK_SECONDS)

    def start(self, part: str) -> None:
        """Start a part that was stopped, and wait until it is ready."""
        if self.process(part).state not in ("RUNNING", "STARTING"):
            self.supervisor().start(self.name(part))
        self.wait_ready(part)

    @contextmanager
    def stopped(self, part: str) -> Iterator[None]:
        """The part is down for the block."""
        try:
            self.supervisor().stop(self.name(part))
            yield
        finally:
            self.start(part)

    def kill(self, part: str) -> None:
        """Kill a part outright and wait until supervisord has brought it back."""
        old = self.pid(part)
        os.kill(old, signal.SIGKILL)
        name = self.name(part)
        wait(f"new {name}", lambda: self.process(part).pid not in (0, old), BACK_SECONDS)
        self.wait_ready(part)

    @contextmanager
    def paused(self, pid: int) -> Iterator[None]:
        """The process does nothing for the block."""
        try:
            os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            if orphans.is_alive(pid):
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def standing_in(self, part: str, changed: Mapping[str, str], *more: str) -> Iterator[None]:
        """The part with other variables and more arguments, in its own place for the block."""
        ours = program(self.settings, part, self.variables())
        log = self.settings.logs / f"drill-{part}.log"
        with self.stopped(part), log.open("wb") as out:
            process = subprocess.Popen(
                [*ours.command, *more],
                env={**ours.environment, **changed, MARK: "1"},
                cwd=self.settings.repo,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                wait(
                    f"answer of the drill's {part} (see {log})",
                    lambda: process.poll() is not None or probe(self.part(part).probe_url),
                    BACK_SECONDS,
                )
                if process.poll() is not None:
                    raise Fault(f"the drill's {part} ended: {last_error(log)}", f"see {log}")
                yield
            finally:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all of its session, first politely."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            continue

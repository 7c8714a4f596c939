"""kill -9 of every container at once: each comes back by itself, and the stack works again."""

import os
import signal

from stack.settings import Settings
from tests.compose.docker import ONE_SHOT, Container, containers
from tests.e2e.client import Client, poll
from tests.e2e.stores import exemplar, story

BACK_SECONDS = 600.0


def _is_back(before: Container, now: Container) -> bool:
    return now.raw["RestartCount"] > before.raw["RestartCount"] and now.is_healthy


def test_every_killed_container_comes_back_by_itself(stack: Settings) -> None:
    before = {name: one for name, one in containers(stack).items() if name != ONE_SHOT}
    for one in before.values():
        # Not `docker kill`: the engine would take that as our wish and leave it down.
        os.kill(one.pid, signal.SIGKILL)

    def away() -> list[str]:
        now = containers(stack)
        return [name for name, one in before.items() if not _is_back(one, now[name])]

    poll("every container back and healthy", lambda: not away(), BACK_SECONDS)
    sent = Client().chat("Anybody there?")
    assert sent.status == 200
    assert story(sent.trace_id).finished["outcome"] == "ok"
    assert exemplar(sent)

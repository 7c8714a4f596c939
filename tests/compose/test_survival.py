"""`docker compose down` and up again: what was stored before is there after."""

import time
from pathlib import Path
from typing import Any

from stack.commands.backup import backup
from stack.commands.restore import restore
from stack.containers import compose
from stack.readiness import health
from stack.settings import Settings
from tests.compose.docker import containers
from tests.compose.runs import PARTS
from tests.e2e.client import Client, poll
from tests.e2e.stores import HTTP, PROMETHEUS, story

SILENCES = "http://127.0.0.1:9093/api/v2/silences"
# The server holds no data, and it is what takes a minute.
STORES = tuple(part for part in PARTS if part.name not in ("server", "alertlog"))


def _requests_at(moment: float) -> list[Any]:
    params: dict[str, str | float] = {"query": "sum(llm_requests_total)", "time": moment}
    answer = HTTP.get(f"{PROMETHEUS}/api/v1/query", params=params).raise_for_status()
    return list(answer.json()["data"]["result"])


def _silence() -> str:
    match = {"name": "alertname", "value": "Survival", "isRegex": False}
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    starts = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = {"matchers": [match], "startsAt": starts, "endsAt": ends, "createdBy": "test"}
    return str(HTTP.post(SILENCES, json={**body, "comment": "kept"}).json()["silenceID"])


def _back_up_and_restore(stack: Settings, folder: Path) -> None:
    """The books leave the volume and come back as they were, so that nothing else sees it."""
    told = Settings(stack.repo, stack.state, stack.cache, {**stack.values, "TO": str(folder)})
    assert backup(told) == 0
    (path,) = folder.iterdir()
    back = {**told.values, "FROM": str(path), "ONLY": "books"}
    assert restore(Settings(stack.repo, stack.state, stack.cache, back)) == 0


def test_data_is_there_after_down_and_up(stack: Settings, tmp_path: Path) -> None:
    sent = Client().chat("Remember me")
    before, silence, moment = story(sent.trace_id), _silence(), time.time()
    counted = poll("a sample of this moment", lambda: _requests_at(moment))
    ids = {one.id for one in containers(stack).values()}
    assert compose.run(stack, "down") == 0
    _back_up_and_restore(stack, tmp_path)
    assert compose.run(stack, "up", "--detach") == 0
    health.wait(stack, STORES, compose.containers(stack))
    assert not ids & {one.id for one in containers(stack).values()}, "the containers are the old"
    after = story(sent.trace_id)
    assert (after.server, after.finished) == (before.server, before.finished)
    assert _requests_at(moment) == counted
    assert silence in {one["id"] for one in HTTP.get(SILENCES).json()}

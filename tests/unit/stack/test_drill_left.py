"""A drill that is killed, interrupted or not alone loses nobody's routes, and `make up` mends."""

import datetime
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack import settings
from stack.commands import drill as command
from stack.commands import status, up
from stack.drills import aftermath, left, servers, table
from stack.drills.causes.cost import obstacle, unwritable
from stack.drills.drill import Expected
from stack.drills.hands import MARK, Hands
from stack.drills.rig import STOPS, Rig
from stack.errors import Fault
from stack.native import orphans, turn
from stack.receivers import render
from stack.receivers.chosen import chosen
from stack.settings import Settings
from tests.conftest import REPO
from tests.unit.receiving import secret_file

URL = "http://127.0.0.1:1/"
LINKED = {"prometheus.yaml": "", "rules": "", "alerts": "", "targets": "native"}


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """The files of a stack whose alerts go to a webhook, as `make up` leaves them."""
    hook = secret_file(tmp_path, "ALERT_WEBHOOK_URL_FILE", "http://127.0.0.1:9/")
    found = settings.load(REPO, {"STATE_DIR": str(tmp_path), "ALERT_WEBHOOK_URL_FILE": hook})
    render.write(found, chosen(found), render.on_host)
    (found.run / "prometheus" / "targets-extra").mkdir(parents=True)
    (found.state / "server").mkdir()
    for name, below in LINKED.items():
        (found.run / "prometheus" / name).symlink_to(REPO / "prometheus" / name / below)
    return found


@pytest.fixture
def no_parts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No part runs: what would be asked of them is noted instead."""
    asked = list[str]()

    def lift() -> list[Any]:
        asked.append("lift")
        return []

    monkeypatch.setattr(Rig, "reload_prometheus", lambda _: asked.append("prometheus"))
    monkeypatch.setattr(Rig, "reload_alertmanager", lambda _: asked.append("alertmanager"))
    monkeypatch.setattr(aftermath, "lift", lift)
    monkeypatch.setattr(aftermath, "quiet", lambda *_: asked.append("quiet"))
    monkeypatch.setattr(left, "get_json", lambda _: [{"name": "alertlog"}])
    return asked


def receivers(here: Settings) -> list[str]:
    known = yaml.safe_load(render.path(here).read_text(encoding="utf-8"))["receivers"]
    return [one["name"] for one in known]


def links(here: Settings) -> set[Path]:
    return {(here.run / "prometheus" / name).resolve() for name in LINKED}


def killed(here: Settings) -> Rig:
    """The rig of a drill that had no time to put anything back."""
    rig = Rig(here)
    rig.write()
    rig.link_drill()
    rig.route(URL)
    (rig.extra / "drill-0.yaml").write_text("[]")
    return rig


@pytest.mark.usefixtures("no_parts")
def test_a_drill_routes_and_puts_back_what_was_there(here: Settings) -> None:
    before, shipped = render.path(here).read_text(), links(here)
    rig = killed(here)
    assert "drill" in receivers(here) and links(here) != shipped
    rig.put_back()
    assert (render.path(here).read_text(), links(here)) == (before, shipped)
    assert not rig.folder.exists()


@pytest.mark.usefixtures("no_parts")
def test_the_same_receiver_twice_is_once_and_another_is_refused(here: Settings) -> None:
    rig = killed(here)
    once = render.path(here).read_text()
    rig.route(URL)
    assert render.path(here).read_text() == once
    with pytest.raises(Fault, match="another drill's receiver"):
        rig.route("http://127.0.0.1:2/")
    rig.put_back()
    assert "drill" not in receivers(here)


@pytest.mark.usefixtures("no_parts")
def test_a_second_drill_touches_nothing_of_the_first(here: Settings) -> None:
    first = killed(here)
    files = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    with pytest.raises(Fault, match=r"left its files in force.*make up"):
        Rig(here).write()
    assert files == {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    assert (first.extra / "drill-0.yaml").exists()
    first.put_back()
    assert "webhook" in receivers(here) and "drill" not in receivers(here)


@pytest.mark.usefixtures("no_parts")
def test_routes_whose_copy_is_gone_are_made_anew(here: Settings) -> None:
    before = render.path(here).read_text()
    rig = killed(here)
    (rig.folder / "alertmanager.yaml").unlink()
    rig.unroute()
    assert render.path(here).read_text() == before


def test_what_a_killed_drill_left_is_said_and_put_back(here: Settings, no_parts: list[str]) -> None:
    shipped = links(here)
    assert left.found(here) == []
    assert not left.put_back(here, "tiny")
    rig = killed(here)
    obstacle(here).mkdir()
    assert len(left.found(here)) == 4
    no_parts.clear()
    left.clear(here)
    assert not obstacle(here).exists() and not any(rig.extra.glob("drill-*"))
    render.write(here, chosen(here), render.on_host)
    assert left.put_back(here, "tiny")
    # Silence before people are told again.
    assert no_parts == ["prometheus", "lift", "quiet"]
    assert links(here) == shipped and "drill" not in receivers(here)
    assert left.found(here) == [] and not rig.folder.exists()


def test_a_route_in_force_alone_is_said(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left, "get_json", lambda _: [{"name": "drill"}, {"name": "alertlog"}])
    (line,) = left.found(here)
    assert "people are told of none" in line


@pytest.mark.usefixtures("no_parts")
def test_status_is_not_healthy_after_a_killed_drill(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status._drill(here)
    assert not capsys.readouterr().out
    rig = killed(here)
    assert not status._drill(here)
    said = capsys.readouterr().out
    assert "NOT HEALTHY" in said and "`make up` puts it right" in said
    with turn.taken(here, turn.DRILL):
        assert status._drill(here)
    assert "a drill runs (pid" in capsys.readouterr().out
    rig.put_back()


@pytest.mark.usefixtures("no_parts")
def test_no_drill_begins_on_what_a_killed_one_left(here: Settings) -> None:
    killed(here)
    with pytest.raises(Fault, match=r"a drill was killed: .*: `?make up"):
        command._check(Hands(here))


def test_the_obstacle_is_where_the_books_are(here: Settings) -> None:
    with unwritable(here.state / "server" / "ledger.json"):
        assert obstacle(here).is_dir()
    assert not obstacle(here).exists()


@pytest.fixture
def asleep(here: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A process that a drill of this stack put in the place of a part."""
    marks = {orphans.MARK: str(here.state), MARK: "1"}
    process = subprocess.Popen(["sleep", "300"], env={**os.environ, **marks})
    yield process
    process.kill()
    process.wait()


@pytest.mark.usefixtures("no_parts")
def test_a_stand_in_that_outlived_its_drill_is_ended(
    here: Settings, asleep: subprocess.Popen[bytes]
) -> None:
    (line,) = left.found(here)
    assert "in the place of a part" in line
    left.clear(here)
    assert asleep.wait(10) == -signal.SIGTERM


def test_a_stopped_process_goes_on(asleep: subprocess.Popen[bytes]) -> None:
    asleep.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, asleep.pid, os.WSTOPPED)
    assert orphans.wake([asleep.pid, os.getpid()]) == 1
    os.waitid(os.P_PID, asleep.pid, os.WCONTINUED)
    assert orphans.wake([asleep.pid]) == 0


def test_nobody_joins_a_drill(here: Settings) -> None:
    for another in (turn.UP, turn.DRILL):
        with (
            turn.taken(here, turn.DRILL),
            pytest.raises(Fault, match=rf"a drill runs on this stack \(pid {os.getpid()}\)"),
            turn.taken(here, another),
        ):
            pass
    with turn.taken(here, turn.DRILL):
        for each in (up.up, up.down):
            with pytest.raises(Fault, match="a drill runs on this stack"):
                each(here)
    with turn.taken(here, turn.UP):
        assert turn.drill_pid(here) == 0


def test_a_killed_drill_keeps_nobody_waiting(here: Settings) -> None:
    (here.run / "up.lock").write_text(f"drill {os.getpid()}\n")
    assert turn.drill_pid(here) == 0
    with turn.taken(here, turn.UP):
        pass


@pytest.mark.parametrize("text", ["", "drill\n", "drill x\n", "drill 99999999999\n", "\0" * 9])
def test_an_odd_lock_file_names_no_drill(here: Settings, text: str) -> None:
    path = here.run / "up.lock"
    with turn.taken(here, turn.UP):
        path.write_text(text)
        assert turn.drill_pid(here) == 0


_CHILD = """
import sys, time
from pathlib import Path
from stack import settings
from stack.commands import drill as command
from stack.drills.rig import Rig, rigged
from stack.say import outliving_readers, say
from stack.settings import Settings

Rig.reload_prometheus = Rig.reload_alertmanager = lambda _: None
here = settings.load(Path(sys.argv[1]), {"STATE_DIR": sys.argv[2]})
command._heed_stops()
with outliving_readers():
    try:
        with rigged(here, "http://127.0.0.1:1/"):
            Path(sys.argv[2], "rigged").touch()
            while True:
                time.sleep(0.05)
                say("working")
    finally:
        say("putting back")
"""


def _as_from_a_shell() -> None:
    # Whoever runs these tests may ignore what ends a drill: nohup does, and a shell's background.
    os.setsid()
    for each in STOPS:
        signal.signal(each, signal.SIG_DFL)


def _in_a_terminal(here: Settings, *before: str) -> tuple[subprocess.Popen[bytes], int]:
    """A drill with a terminal, once it has put its own files in force."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*before, sys.executable, "-c", _CHILD, str(REPO), str(here.state)],
        cwd=REPO,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=_as_from_a_shell,
    )
    os.close(theirs)
    until = time.monotonic() + 30
    while not (here.state / "rigged").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert "drill" in receivers(here)
    return process, ours


@pytest.mark.parametrize("number", STOPS)
def test_a_drill_whose_terminal_is_gone_puts_everything_back(
    here: Settings, number: signal.Signals
) -> None:
    before = render.path(here).read_text(), links(here)
    process, terminal = _in_a_terminal(here)
    os.close(terminal)
    process.send_signal(number)
    assert process.wait(30)
    assert (render.path(here).read_text(), links(here)) == before


def test_what_is_printed_for_nobody_fails_nobody() -> None:
    script = (
        "import sys, time\nfrom stack.say import outliving_readers, say, step\n"
        "with outliving_readers():\n"
        "    sys.stdin.readline()\n"
        "    with step('one'):\n        say('two')\n"
        "open(sys.argv[1], 'w').close()\n"
    )
    read, write = os.pipe()
    done = Path(os.devnull)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(done)],
        cwd=REPO,
        stdin=subprocess.PIPE,
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    os.close(read)
    _, errors = process.communicate(b"\n", 30)
    assert (process.returncode, errors) == (0, b"")


def test_nohup_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to = dict[int, object]()
    monkeypatch.setattr(
        signal, "getsignal", lambda n: signal.SIG_IGN if n == signal.SIGHUP else signal.SIG_DFL
    )
    monkeypatch.setattr(signal, "signal", set_to.__setitem__)
    command._heed_stops()
    assert set(set_to) == {signal.SIGINT, signal.SIGTERM}


def test_budgets_of_the_drills_own_models_are_silent_for_six_days() -> None:
    made = aftermath.budgets(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    name, model = made["matchers"]
    assert (name["name"], name["value"], name["isRegex"]) == ("alertname", "ErrorBudgetBurn", False)
    assert (model["name"], model["isRegex"]) == ("model", True)
    for ours in servers.MODELS.values():
        assert re.fullmatch(model["value"], ours)
    assert not re.fullmatch(model["value"], "tiny-llama")
    assert made["endsAt"] == "2026-01-07T00:00:00+00:00"


def test_what_an_earlier_drill_left_stays_silent_after_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    earlier = next(iter(aftermath.silences([Expected("TelemetryLost")], now)))
    known = [
        {**earlier, "id": "1", "status": {"state": "active"}},
        {**aftermath.budgets(now), "id": "2", "status": {"state": "active"}},
        {**earlier, "id": "3", "createdBy": "a person", "status": {"state": "active"}},
        {**earlier, "id": "4", "status": {"state": "expired"}},
    ]
    posted = list[Mapping[str, Any]]()
    monkeypatch.setattr(aftermath, "_post", posted.append)
    monkeypatch.setattr(aftermath, "get_json", lambda _: known)
    lifted = aftermath.lift()
    assert [one["id"] for one in posted] == ["1", "2"]
    posted.clear()
    aftermath.quiet([Expected("CostSpike", {"model": "drill"})], lifted)
    ours, still, budget = posted
    assert ours["matchers"][0]["value"] == "CostSpike" and budget["comment"] == aftermath.BUDGETS
    assert still["matchers"] == earlier["matchers"] and still["endsAt"] == earlier["endsAt"]
    assert "id" not in still
    posted.clear()
    past = {**lifted[0], "endsAt": now.isoformat()}
    aftermath.quiet([], [past])
    assert [one["comment"] for one in posted] == [aftermath.BUDGETS]


def test_every_server_of_a_drill_calls_its_model_by_a_name_of_its_own() -> None:
    assert {drill.server for drill in table.DRILLS if drill.server} == set(servers.MODELS)

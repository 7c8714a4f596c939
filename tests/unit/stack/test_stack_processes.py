import os
import socketserver
import subprocess
import sys
import threading
import xmlrpc.server
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import settings
from stack.errors import Fault
from stack.native import orphans
from stack.native.supervisor import Process, Supervisor, socket_path
from stack.readiness.health import Watch
from stack.run import last_error, logged

REPO = Path(__file__).resolve().parents[3]


def process(state: str = "RUNNING", started: int = 100) -> Process:
    return Process("loki", state, 42, started, 7, 0, "")


@pytest.fixture
def here(tmp_path: Path) -> settings.Settings:
    found = settings.load(tmp_path, {})
    found.logs.mkdir(parents=True)
    return found


def test_a_part_that_gave_up_is_named_with_its_last_error(here: settings.Settings) -> None:
    (here.logs / "loki.log").write_text("starting\nerror: bad config line 7\nbye\n")
    with pytest.raises(Fault, match=r"loki could not start: error: bad config line 7: read .*loki"):
        Watch(here).judge({"loki": process("FATAL")})


def test_a_part_that_keeps_restarting_is_noticed_and_a_single_restart_is_not(
    here: settings.Settings,
) -> None:
    watch = Watch(here)
    for started in (0, 100, 110, 120):
        watch.judge({"loki": process("STARTING", started)})
    with pytest.raises(Fault, match=r"loki keeps restarting: \(the log is empty\)"):
        watch.judge({"loki": process("STARTING", 130)})


def test_a_failing_command_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    script = "import sys; print('compiling'); print('undefined: x'); sys.exit(2)"
    with pytest.raises(Fault, match=r"(?s)ended with 2; see .*build\.log.*undefined: x"):
        logged([sys.executable, "-c", script], log)
    assert last_error(tmp_path / "absent.log") == "(the log is empty)"


class UnixServer(socketserver.UnixStreamServer, xmlrpc.server.SimpleXMLRPCDispatcher):
    logRequests = False  # noqa: N815, the handler reads this name

    def __init__(self, path: str) -> None:
        xmlrpc.server.SimpleXMLRPCDispatcher.__init__(self)
        socketserver.UnixStreamServer.__init__(self, path, Handler)


class Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)
    disable_nagle_algorithm = False


@pytest.fixture
def long_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / ("long-" * 30)
    folder.mkdir()
    monkeypatch.chdir(folder)
    server = UnixServer("s")
    server.register_function(lambda: 4711, "supervisor.getPID")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder / "s"
    server.shutdown()
    server.server_close()


def test_supervisord_is_reached_also_by_a_path_that_no_address_holds(long_socket: Path) -> None:
    assert len(str(long_socket)) > 107
    assert Supervisor(long_socket).pid() == 4711


def test_the_socket_is_where_the_configuration_says(tmp_path: Path) -> None:
    found = settings.load(REPO, {"STATE_DIR": str(tmp_path)})
    assert socket_path(found) == tmp_path / "run" / "supervisor.sock"


def test_what_outlived_its_supervisor_is_found_by_its_mark_and_ended(
    here: settings.Settings,
) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours = subprocess.Popen(command, env={**os.environ, orphans.MARK: str(here.state)})
    other = subprocess.Popen(command, env={**os.environ, orphans.MARK: "/elsewhere"})
    try:
        assert orphans.find(here) == [ours.pid]
        assert orphans.end(here) == 1
        assert not orphans.is_alive(ours.pid)
        assert orphans.is_alive(other.pid)
    finally:
        other.kill()
        ours.wait()
        other.wait()

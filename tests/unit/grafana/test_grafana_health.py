"""Grafana is healthy when each provisioned data source is registered and answers."""

import base64
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.evidence import grafana
from stack.settings import Settings, load
from tests.unit.fake_grafana import PASSWORD, PROBES, Fake, serving
from tests.unit.grafana.test_grafana import data_sources

SCRIPT = Path(__file__).parents[3] / "grafana/healthcheck.sh"
# What the image's busybox has; a machine that checks this may lack it.
NC = f"""#!{sys.executable}
import os, socket, sys
if log := os.environ.get("SEEN"):
    open(log, "a").write(repr(sys.argv))
try:
    link = socket.create_connection((sys.argv[-2], int(sys.argv[-1])), 5)
except OSError:
    sys.exit(1)
link.sendall(sys.stdin.buffer.read())
while data := link.recv(4096):
    sys.stdout.buffer.write(data)
"""


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving(Fake.healthy()) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(grafana, "API", f"http://127.0.0.1:{fake.port}/api/")
    found = load(tmp_path, {"STATE_DIR": str(tmp_path)})
    (tmp_path / "secrets").mkdir()
    _write(found, PASSWORD)
    return found


def _write(settings: Settings, password: str, seconds: float = -60) -> None:
    """Put the password there, as if so many seconds from now: a shell compares whole ones."""
    file = settings.state / "secrets" / "grafana_admin_password"
    file.write_text(password)
    os.utime(file, (time.time() + seconds,) * 2)


Run = subprocess.CompletedProcess[str]


def _put(settings: Settings, name: str, text: str) -> None:
    file = settings.state / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


def _shell(settings: Settings) -> list[str]:
    """The image's own shell and tools where there is a busybox, else ours and a stand-in `nc`."""
    if busybox := shutil.which("busybox"):
        return [busybox, "sh"]
    _put(settings, "nc", NC)
    return ["/bin/sh"]


def check(settings: Settings, fake: Fake, shell: list[str] | None = None) -> Run:
    """Run the health check of compose.yaml."""
    environment = {
        "PATH": f"{settings.state / 'bin'}:{os.environ['PATH']}",
        "GRAFANA_PORT": str(fake.port),
        "GRAFANA_PASSWORD_FILE": str(settings.state / "secrets" / "grafana_admin_password"),
        "TMPDIR": str(settings.state),
        "SEEN": str(settings.state / "seen"),
    }
    return subprocess.run(
        [*(shell or _shell(settings)), str(SCRIPT)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_all_well(settings: Settings, fake: Fake) -> None:
    done = check(settings, fake)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert set(PROBES.values()) <= set(fake.asked)
    assert grafana.problems(settings) == []


@pytest.mark.parametrize("uid", PROBES)
def test_a_data_source_that_is_missing(settings: Settings, fake: Fake, uid: str) -> None:
    fake.without(uid)
    done = check(settings, fake)
    assert (done.returncode, done.stdout) == (1, f"GET {PROBES[uid]}: 404\n")
    (problem,) = grafana.problems(settings)
    assert problem.startswith(f"grafana's data source {uid} is not registered: see `make logs")


@pytest.mark.parametrize("uid", PROBES)
def test_a_plugin_that_is_lost(settings: Settings, fake: Fake, uid: str) -> None:
    fake.answers[PROBES[uid]] = (404, '{"message":"Unable to find datasource plugin"}')
    del fake.answers[f"/api/plugins/{uid}/settings"]
    assert check(settings, fake).returncode == 1
    (problem,) = grafana.problems(settings)
    assert problem.startswith(f"grafana's data source {uid} has lost its plugin")


@pytest.mark.parametrize(("uid", "code"), [("loki", 400), ("tempo", 502)])
def test_a_store_that_does_not_answer(settings: Settings, fake: Fake, uid: str, code: int) -> None:
    fake.answers[PROBES[uid]] = (code, '{"message":"connection  refused"}')
    assert check(settings, fake).stdout == f"GET {PROBES[uid]}: {code}\n"
    assert grafana.problems(settings) == [
        f"grafana's data source {uid} does not answer (connection refused): "
        f"see `make logs PART={uid}`"
    ]


def test_every_problem_is_named(settings: Settings, fake: Fake) -> None:
    fake.without("tempo")
    fake.answers[PROBES["loki"]] = (500, "")
    assert len(grafana.problems(settings)) == 2


def test_no_grafana(settings: Settings) -> None:
    with serving(Fake.healthy()) as gone:
        pass
    done = check(settings, gone)
    assert (done.returncode, done.stdout) == (1, "GET /api/health: no answer\n")
    (problem,) = grafana.judge(lambda path: grafana.Answer(0, "refused"), Path("file"))
    assert problem == "grafana lists no data sources (refused): see `make logs PART=grafana`"


def test_a_changed_password_does_not_lock_the_account(settings: Settings, fake: Fake) -> None:
    _write(settings, "wrong")
    assert [check(settings, fake).returncode for _ in range(3)] == [0, 0, 0]
    assert [path for path in fake.asked if path != "/api/health"] == ["/api/user"]
    _write(settings, PASSWORD, seconds=60)
    check(settings, fake)
    assert PROBES["loki"] in fake.asked


def test_a_changed_password_is_asked_about_once_a_status(settings: Settings, fake: Fake) -> None:
    _write(settings, "wrong")
    (problem,) = grafana.problems(settings)
    assert "refuses the password" in problem
    assert fake.asked == ["/api/datasources"]


def test_the_password_is_on_no_command_line(settings: Settings, fake: Fake) -> None:
    seen = settings.state / "seen"
    for name in ("base64", "cat", "tr"):
        real = shutil.which(name)
        _put(settings, name, f'#!/bin/sh\necho "$0 $*" >>"$SEEN"\nexec {real} "$@"\n')
    _put(settings, "nc", NC)
    assert check(settings, fake, ["/bin/sh"]).returncode == 0
    commands = seen.read_text()
    assert all(name in commands for name in ("base64", "cat", "tr", "nc"))
    assert PASSWORD not in commands
    assert base64.b64encode(f"admin:{PASSWORD}".encode()).decode() not in commands


def test_without_a_password_file_that_is_said(settings: Settings) -> None:
    (settings.state / "secrets" / "grafana_admin_password").unlink()
    (problem,) = grafana.problems(settings)
    assert "is not in" in problem


def test_every_provisioned_data_source_is_asked_after() -> None:
    assert {source.uid for source in grafana.SOURCES} == set(data_sources()) == set(PROBES)
    assert all(source["type"] == uid for uid, source in data_sources().items())
    asked = re.findall(r"^expect_200 (/api/datasources\S+)", SCRIPT.read_text(), re.M)
    assert asked == [f"/api/{source.probe}" for source in grafana.SOURCES]
    assert set(asked) == set(PROBES.values())

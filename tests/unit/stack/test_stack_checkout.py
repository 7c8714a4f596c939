"""A checkout that cannot be used as it lies is refused in one line, before anything starts."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from stack import cli
from stack.commands import up
from stack.errors import Fault
from stack.native import processes, supervisor
from stack.parts import memo
from stack.readiness import checkout, preflight
from stack.settings import Settings, load

REPO = Path(__file__).resolve().parents[3]
FOLDERS = "alertmanager docs grafana loki otel-collector prometheus remote server tempo"
MOUNTED = tuple(FOLDERS.split())


def settings_of(repo: Path, **values: str) -> Settings:
    return Settings(repo, repo / ".state", repo / ".cache", values)


@pytest.fixture(name="copy")
def _copy(tmp_path: Path) -> Path:
    """What of the checkout shells and containers read."""
    ignored = shutil.ignore_patterns("__pycache__", "*.lock")
    for folder in (*MOUNTED, "native"):
        shutil.copytree(REPO / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(REPO / "compose.yaml", tmp_path)
    return tmp_path


def fault_of(settings: Settings, check: str) -> str:
    with pytest.raises(Fault) as caught:
        getattr(checkout, check)(settings)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("odd", [" ", "%", ";", "'", '"', "$", "#", "*", "[", "\n", ":"])
@pytest.mark.parametrize("which", ["repo", "state", "cache"])
def test_a_path_that_supervisord_would_split_or_expand_is_refused(which: str, odd: str) -> None:
    paths = {name: Path("/plain") for name in ("repo", "state", "cache")}
    paths[which] = Path(f"/my{odd}folder")
    with pytest.raises(Fault, match="the native way takes no '"):
        checkout.check_paths(Settings(**paths, values={}))


@pytest.mark.parametrize("path", ["/home/a.b/x_y-z", "/döm/ä+b@c,d=e~", "/w/^x"])
def test_other_paths_are_taken(path: str) -> None:
    checkout.check_paths(Settings(Path(path), Path(path), Path(path), {}))


def test_the_native_way_looks_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "check_ports", lambda wanted: pytest.fail("too late"))
    with pytest.raises(Fault, match="STATE_DIR lies in"):
        preflight.native(load(REPO, {"STATE_DIR": str(tmp_path / "a b")}), (), ())


@pytest.mark.parametrize(
    "name", ["native/server.sh", "server/entrypoint.sh", "grafana/healthcheck.sh", "loki/loki.yaml"]
)
def test_windows_line_ends_are_refused_by_name(copy: Path, name: str) -> None:
    checkout.check_line_ends(settings_of(copy))
    path = copy / name
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    line = fault_of(settings_of(copy), "check_line_ends")
    assert line.startswith(f"{name} has Windows line ends (CRLF): ")


def test_a_picture_may_hold_those_bytes(copy: Path) -> None:
    (copy / "loki" / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    checkout.check_line_ends(settings_of(copy))


def test_git_checks_text_out_with_unix_line_ends() -> None:
    assert "* text=auto eol=lf" in (REPO / ".gitattributes").read_text().splitlines()


@pytest.mark.parametrize(
    "name", ["prometheus/rules/red.yaml", "grafana/provisioning", "loki/loki.yaml"]
)
def test_what_containers_cannot_read_is_refused_by_name(copy: Path, name: str) -> None:
    for path in copy.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    checkout.check_readable(settings_of(copy))
    (copy / name).chmod(0o700 if (copy / name).is_dir() else 0o600)
    line = fault_of(settings_of(copy), "check_readable")
    assert line.startswith(f"containers cannot read {name}: ")
    assert line.endswith(f"chmod -R a+rX {' '.join(MOUNTED)}")


@pytest.mark.parametrize("key", ["LLM_SERVER_KEYS", "LLM_SERVER_PRICES", "LLM_SERVER_BUDGETS"])
def test_a_file_of_the_operator_is_looked_at_too(copy: Path, key: str) -> None:
    for path in copy.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    given = copy / "given.yaml"
    given.write_text("x: y\n")
    given.chmod(0o600)
    line = fault_of(settings_of(copy, **{key: str(given)}), "check_readable")
    assert f"cannot read {given} ({key})" in line
    given.chmod(0o644)
    checkout.check_readable(settings_of(copy, **{key: str(given)}))


def test_the_image_is_readable_whatever_the_checkouts_umask() -> None:
    text = (REPO / "server" / "Dockerfile").read_text()
    # What that does to what it installed is tested in test_image.py.
    assert text.index("COPY alertmanager/") < text.index("RUN server/install.sh project")
    assert "install -D -m 755 server/entrypoint.sh /app/entrypoint.sh" in text


@pytest.mark.parametrize("name", ["up.json", "up.new"])
def test_a_folder_in_the_memos_place_hinders_nothing(tmp_path: Path, name: str) -> None:
    settings = settings_of(tmp_path)
    (settings.run / name / "inside").mkdir(parents=True)
    assert memo.remembered(settings) == {}
    memo.remember(settings, {"way": "native"})
    assert memo.remembered(settings) == {"way": "native"}
    memo.forget(settings)
    (settings.run / name).mkdir(parents=True)
    memo.forget(settings)
    assert memo.remembered(settings) == {}


def test_down_with_a_folder_for_a_memo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "stop", lambda settings: True)
    settings = settings_of(tmp_path)
    (settings.run / "up.json").mkdir(parents=True)
    assert up.down(settings) == 0


def test_a_file_that_is_something_else_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".state" / "run" / "up.lock").mkdir(parents=True)
    monkeypatch.setattr(cli, "load", lambda repo: settings_of(tmp_path))
    monkeypatch.setattr(supervisor, "running", lambda settings: None)
    assert cli.main(["up"]) == 1
    said = capsys.readouterr()
    (line,) = (said.err or said.out).strip().splitlines()
    assert "up.lock: Is a directory" in line


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def full(_: Settings) -> int:
        # As a write says it, which knows of no file.
        raise OSError(number, os.strerror(number))

    monkeypatch.setitem(cli.COMMANDS, "backup", (full, ""))
    assert cli.main(["backup"]) == 1
    told = capsys.readouterr().err
    assert f"{os.strerror(number)}: make room, then try again" in told and told.count("\n") == 1

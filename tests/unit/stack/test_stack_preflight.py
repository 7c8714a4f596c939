import os
import re
import socket
from pathlib import Path

import pytest

from stack.builds import gobuild
from stack.errors import Fault
from stack.native import orphans
from stack.parts.table import Part
from stack.readiness import ports, preflight
from stack.settings import load


@pytest.fixture
def listener() -> object:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken


def test_a_port_in_use_names_port_part_holder_and_fix(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(Fault) as caught:
        preflight.check_ports([Part("loki", (port,), "")])
    line = str(caught.value)
    assert f"port {port}, which loki needs, is in use by pid {os.getpid()}" in line
    assert f"kill {os.getpid()}" in line
    assert "\n" not in line


def test_a_port_of_another_stack_of_ours_names_the_way_to_stop_it(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "state_of", lambda pid: "/there/.state" if pid else "")
    with pytest.raises(Fault, match=r"stop it: STATE_DIR=/there/.state make down"):
        preflight.check_ports([Part("loki", (listener.getsockname()[1],), "")])


def test_a_port_is_free_again_after_its_listener(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert not ports.is_free(port)
    listener.close()
    assert ports.is_free(port)
    preflight.check_ports([Part("loki", (port,), "")])


def test_too_little_disk_names_the_path_and_the_need(tmp_path: Path) -> None:
    preflight.check_disk(tmp_path / "not" / "made" / "yet", 0.0)
    with pytest.raises(Fault, match=r"GiB free on the disk of .*, 1000000000 GiB are needed"):
        preflight.check_disk(tmp_path, 1e9)


def test_memory_as_the_kernel_tells_it(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  999 kB\nMemAvailable:   4194304 kB\n")
    assert preflight.available_gib(meminfo) == pytest.approx(4.0)
    preflight.check_memory(6.0)
    with pytest.raises(Fault, match=r"4\.0 GiB of memory available, 6 GiB are needed"):
        preflight.check_memory(preflight.available_gib(meminfo))


def test_a_path_too_long_for_a_socket() -> None:
    preflight.check_socket(Path("/" + "a" * 98))
    with pytest.raises(Fault, match="1 bytes too long for a socket: set STATE_DIR"):
        preflight.check_socket(Path("/" + "a" * 99))


def fake_go(folder: Path, version: str, toolchain: str = "local") -> None:
    script = f'#!/bin/sh\n[ "$2" = GOVERSION ] && echo {version} || echo {toolchain}\n'
    (folder / "go").write_text(script)
    (folder / "go").chmod(0o755)


def checkout(folder: Path, wanted: str) -> Path:
    (folder / "native" / "loki").mkdir(parents=True)
    (folder / "native" / "loki" / "go.mod").write_text(f"module x\n\ngo {wanted}\n")
    return folder


def test_no_go_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        Fault, match=r"the Go toolchain is missing .*: install Go 1\.26\.7 or newer"
    ):
        gobuild.check_toolchain(checkout(tmp_path, "1.26.7"))


def test_an_old_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    repo = checkout(tmp_path, "1.26.7")
    fake_go(tmp_path, "go1.19.8")
    with pytest.raises(Fault, match=r"Go 1\.19\.8 is too old: install Go 1\.26\.7 or newer"):
        gobuild.check_toolchain(repo)
    fake_go(tmp_path, "go1.24.0")
    with pytest.raises(Fault, match=r"Go 1\.24\.0 is too old"):
        gobuild.check_toolchain(repo)


def test_a_go_that_fetches_its_successor_or_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    repo = checkout(tmp_path, "1.26.7")
    for version, toolchain in (("go1.24.0", "auto"), ("go1.26.7", "local"), ("go1.27", "local")):
        fake_go(tmp_path, version, toolchain)
        gobuild.check_toolchain(repo)


@pytest.mark.parametrize("value", ["14d", "90m", "12h", "0h", "336", "forever", "1.5h", "-24h"])
@pytest.mark.parametrize("key", ["TRACES_RETENTION", "LOGS_RETENTION"])
def test_a_retention_that_a_store_would_refuse_stops_before_anything_starts(
    tmp_path: Path, key: str, value: str
) -> None:
    with pytest.raises(Fault, match=rf"{key}={re.escape(value)} is no retention .*{key}=336h"):
        preflight.check_retentions(load(tmp_path, {key: value}))


def test_a_retention_in_hours_is_taken_and_an_empty_one_is_the_default(tmp_path: Path) -> None:
    preflight.check_retentions(load(tmp_path, {"TRACES_RETENTION": "24h", "LOGS_RETENTION": ""}))

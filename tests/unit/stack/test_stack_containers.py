import json
from pathlib import Path

import pytest

from stack.containers.docker import Containers, read_rows
from stack.errors import Fault
from stack.readiness.health import Watch
from stack.settings import load


def row(service: str, state: str, exit_code: int = 0) -> dict[str, object]:
    return {"Service": service, "State": state, "ExitCode": exit_code}


class Docker:
    """Answers like `compose`, with one list of containers after the other."""

    def __init__(self, *looks: list[dict[str, object]]) -> None:
        self.looks = list(looks)

    def __call__(self, *arguments: str) -> str:
        if arguments[0] == "logs":
            return "starting\nfatal: no such model\n"
        return "\n".join(json.dumps(item) for item in self.looks.pop(0))


def test_both_spellings_of_the_rows_are_read_and_warnings_are_not() -> None:
    rows = [row("loki", "running"), row("tempo", "exited", 1)]
    lines = "time=now level=warning\n" + "\n".join(json.dumps(item) for item in rows)
    assert read_rows(lines) == read_rows(json.dumps(rows)) == rows


def test_containers_read_like_processes_and_one_shots_are_left_out(tmp_path: Path) -> None:
    look = [row("server-gpu", "running"), row("volume-init", "exited"), row("loki", "exited", 1)]
    found = Containers(Docker(look), tmp_path)()
    assert {name: one.state for name, one in found.items()} == {
        "server": "RUNNING",
        "loki": "BACKOFF",
    }
    assert (tmp_path / "loki.log").read_text().endswith("no such model\n")


def test_a_container_that_keeps_restarting_is_named_with_its_last_error(tmp_path: Path) -> None:
    settings = load(tmp_path, {})
    settings.logs.mkdir(parents=True)
    up, again = [row("server", "running")], [row("server", "restarting", 1)]
    look = Containers(Docker(up, again, up, again, again, up, again), settings.logs)
    watch = Watch(settings)
    for _ in range(6):
        watch.judge(look())
    with pytest.raises(Fault, match="server keeps restarting: fatal: no such model"):
        watch.judge(look())


def test_a_look_is_kept_for_as_long_as_asked(tmp_path: Path) -> None:
    docker = Docker([row("loki", "running")], [row("loki", "running")])
    look = Containers(docker, tmp_path, every_seconds=60)
    assert look() == look()
    assert len(docker.looks) == 1

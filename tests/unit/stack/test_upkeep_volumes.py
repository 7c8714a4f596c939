"""Volumes of containers, through a Docker that is a script: read, put back, deleted."""

import json
import os
from pathlib import Path

import pytest

from server.storage.state_dir import StateDir
from stack.commands.backup import backup
from stack.commands.clean import clean
from stack.commands.restore import restore
from stack.errors import Fault
from stack.settings import Settings
from stack.upkeep import places, state_files, volumes
from tests.unit.stack.upkeeping import VOLUME, checkout, docker, fill, left


class Engine:
    """A Docker of the checkout, whose volumes are folders."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        monkeypatch.setenv("PATH", f"{docker(home)}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("FAKE_DOCKER", str(home))
        monkeypatch.setenv("COMPOSE_PROFILES", "cpu")
        fill(home / "volumes" / VOLUME)
        for name in ("model-cache", "grafana"):
            (home / "volumes" / f"llm-observability_{name}").mkdir()

    @property
    def volumes(self) -> list[str]:
        return sorted(path.name for path in (self.home / "volumes").iterdir())

    @property
    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.home / "asked").read_text().splitlines()]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(tmp_path / "docker", monkeypatch)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    found = checkout(tmp_path / "here")
    fill(found.state / "server")
    (found.state / "secrets").mkdir()
    (found.state / "secrets" / "x").write_text("x")
    return found


PROJECT = {"COMPOSE_PROJECT_NAME": "llm-observability"}


@pytest.mark.parametrize(
    ("folder", "project"),
    [
        ("llm-observability", "llm-observability"),
        # As a release unpacks; compose leaves the dots out.
        ("LLM-Observability-0.1.0", "llm-observability-010"),
        ("_my stack", "mystack"),
    ],
)
def test_the_project_is_called_what_compose_calls_it(
    tmp_path: Path, engine: Engine, folder: str, project: str
) -> None:
    there = checkout(tmp_path / folder)
    volumes.found(Settings(tmp_path / folder, there.state, there.cache, {}))
    assert f"label=com.docker.compose.project={project}" in engine.asked[-1]


def test_volumes_go_and_models_stay(
    tmp_path: Path,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CONFIRM", "yes")
    assert clean(checkout(tmp_path / "x", **PROJECT)) == 0
    assert engine.volumes == ["llm-observability_model-cache"]
    assert "stays: llm-observability_model-cache (models)" in capsys.readouterr().out
    label = "label=com.docker.compose.project=llm-observability"
    assert [words[3] for words in engine.asked if words[:2] == ["volume", "ls"]] == [label]


def test_running_containers_keep_their_volumes(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIRM", "yes")
    (engine.home / "ps").write_text("0123456789ab running")
    with pytest.raises(Fault, match=r"the stack is up \(compose\)"):
        clean(checkout(tmp_path / "x", **PROJECT))
    assert VOLUME in engine.volumes


def test_mode_says_what_goes(
    here: Settings,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CONFIRM", "yes")
    native = Settings(here.repo, here.state, here.cache, {**PROJECT, "MODE": "native"})
    assert clean(native) == 0
    assert VOLUME in engine.volumes
    assert left(here) == ["run/up.lock", "secrets/x"], "the volume's Grafana has that password"
    fill(here.state / "server")
    compose = Settings(here.repo, here.state, here.cache, {**PROJECT, "MODE": "compose"})
    assert clean(compose) == 0
    assert VOLUME not in engine.volumes and "server/ledger.json" in left(here)


def test_the_state_of_a_volume_is_read_and_put_by_the_servers_image(
    tmp_path: Path, engine: Engine
) -> None:
    found = checkout(tmp_path / "x", **PROJECT)
    assert backup(found) == 0
    (path,) = (found.repo / "backups").iterdir()
    state = engine.home / "volumes" / VOLUME
    before = state_files.read(state)
    (state / "ledger.json").write_bytes(b"{}")
    again = Settings(found.repo, found.state, found.cache, {**PROJECT, "FROM": str(path)})
    server = StateDir(state)
    with pytest.raises(Fault, match=f"a server uses the volume {VOLUME}"):
        restore(again)
    server.release()
    assert restore(again) == 0
    assert state_files.read(state) == before
    run = next(words for words in engine.asked if words[0] == "run")
    assert "llm-observability/server-cpu:local" in run
    assert {
        "--read-only",
        "--rm",
        "never",
        "none",
        "ALL",
        "no-new-privileges",
        "10002:10002",
    } <= set(run)
    assert f"type=volume,source={VOLUME},target=/state,readonly" in run


def test_two_places_of_state_have_to_be_told_apart(here: Settings, engine: Engine) -> None:
    both = Settings(here.repo, here.state, here.cache, PROJECT)
    with pytest.raises(Fault, match="MODE=native or MODE=compose"):
        places.find(both)
    for mode in ("native", "compose"):
        one = Settings(here.repo, here.state, here.cache, {**PROJECT, "MODE": mode})
        assert places.find(one).way == mode
    none = Settings(here.repo, here.state, here.cache, {"COMPOSE_PROJECT_NAME": "x", "MODE": "x"})
    with pytest.raises(Fault, match="MODE=x is unknown"):
        places.find(none)


def test_volumes_that_nobody_can_see_are_not_said_to_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(volumes, "has_docker", lambda: True)
    monkeypatch.setattr(volumes, "answers", lambda: False)
    with pytest.raises(Fault, match="no Docker daemon answers: start it"):
        clean(checkout(tmp_path / "x", MODE="compose"))
    assert clean(checkout(tmp_path / "y")) == 0
    said = capsys.readouterr().out
    assert "nothing to delete" in said and "if there are any (no Docker daemon answers)" in said

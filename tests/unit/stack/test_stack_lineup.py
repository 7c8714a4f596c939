from pathlib import Path

import pytest

from stack.errors import Fault
from stack.native import processes
from stack.parts import lineup, memo
from stack.parts.lineup import COMPOSE, LineUp
from stack.parts.table import parts
from stack.settings import Settings, load

REPO = Path(__file__).parents[3]
EMBEDDED = LineUp("jaeger", "victorialogs", grafana=False)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}")
    return folder


def put(path: Path, name: str, script: str = "exit 0") -> None:
    (path / name).write_text(f"#!/bin/sh\n{script}\n")
    (path / name).chmod(0o755)


def settings(tmp_path: Path, **values: str) -> Settings:
    return load(REPO, {"STATE_DIR": str(tmp_path / "state"), **values})


def choose(tmp_path: Path, **values: str) -> lineup.Choice:
    return lineup.choose(settings(tmp_path, **values))


def test_without_anything_on_path_the_embedded_stores_run_and_it_says_why(
    tmp_path: Path, path: Path
) -> None:
    assert not list(path.iterdir())
    choice = choose(tmp_path)
    assert choice.lineup == EMBEDDED
    assert [line.partition(" (")[0] for line in choice.why] == [
        "traces: jaeger",
        "logs: victorialogs",
        "boards: no grafana",
    ]
    assert "no `tempo` on PATH" in choice.why[0]


def test_what_is_on_path_runs_instead_each_by_itself(tmp_path: Path, path: Path) -> None:
    put(path, "loki")
    put(path, "grafana")
    choice = choose(tmp_path)
    assert choice.lineup == LineUp("jaeger", "loki", grafana=False)
    assert "its data sources are Tempo and Loki" in choice.why[2]
    put(path, "tempo")
    assert choose(tmp_path).lineup == COMPOSE


def test_a_program_of_the_same_name_that_refuses_our_file_is_left_alone(
    tmp_path: Path, path: Path
) -> None:
    put(path, "tempo", "echo 'usage: tempo BPM' >&2; exit 2")
    (path / "loki").write_text("not a program")
    (path / "loki").chmod(0o755)
    choice = choose(tmp_path)
    assert choice.lineup == EMBEDDED
    assert "refuses tempo/tempo.yaml" in choice.why[0]
    assert "does not run" in choice.why[1]


def test_the_variables_decide_otherwise_each_by_itself(tmp_path: Path, path: Path) -> None:
    put(path, "tempo")
    put(path, "loki")
    assert choose(tmp_path, LOGS_STORE="victorialogs").lineup.stores == ("tempo", "victorialogs")
    assert choose(tmp_path, TRACES_STORE="jaeger").lineup.stores == ("jaeger", "loki")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"LOGS_STORE": "elastic"}, r"LOGS_STORE=elastic is unknown: use LOGS_STORE=loki or "),
        ({"TRACES_STORE": "tempo"}, r"TRACES_STORE=tempo, but no `tempo` on PATH: install it"),
    ],
)
@pytest.mark.usefixtures("path")
def test_a_wish_that_cannot_be_met_stops_the_start(
    tmp_path: Path, values: dict[str, str], problem: str
) -> None:
    with pytest.raises(Fault, match=problem):
        choose(tmp_path, **values)


def test_compose_has_its_own_stores_and_says_so(tmp_path: Path) -> None:
    lineup.check_compose(settings(tmp_path, LOGS_STORE="loki"))
    with pytest.raises(Fault, match="compose has tempo: use MODE=native"):
        lineup.check_compose(settings(tmp_path, TRACES_STORE="jaeger"))


def test_what_was_started_is_remembered_whatever_the_shell_says_now(tmp_path: Path) -> None:
    here = settings(tmp_path, LOGS_STORE="loki")
    here.run.mkdir(parents=True)
    memo.remember(here, {"way": "native", **lineup.words(EMBEDDED)})
    assert lineup.running(here) == EMBEDDED
    memo.forget(here)
    assert lineup.running(here).logs == "loki"


@pytest.mark.parametrize("text", ["", "{", "[]", '"native"', "\0"])
def test_a_torn_memo_is_no_memo(tmp_path: Path, text: str) -> None:
    here = settings(tmp_path)
    here.run.mkdir(parents=True)
    (here.run / "up.json").write_text(text)
    assert memo.remembered(here) == {}
    assert lineup.running(here).stores == COMPOSE.stores


def test_only_what_runs_is_compiled_probed_and_scraped(tmp_path: Path) -> None:
    here = settings(tmp_path)
    made = {recipe.part for recipe in processes.recipes(COMPOSE)}
    assert not made & {"jaeger", "victorialogs", "promtool", "amtool"}
    assert {"jaeger", "victorialogs"} <= {recipe.part for recipe in processes.recipes(EMBEDDED)}
    names = [part.name for part in parts(EMBEDDED)]
    assert names[-2:] == ["jaeger", "victorialogs"]
    processes._include(here, EMBEDDED)
    for folder in ("programs", "prometheus/targets-extra"):
        found = {path.stem for path in (here.run / folder).iterdir()}
        assert found == {"jaeger", "victorialogs"}
    own = here.run / "prometheus/targets-extra/dcgm.yaml"
    own.write_text("- targets: ['127.0.0.1:9400']")
    processes._include(here, LineUp("tempo", "victorialogs", grafana=False))
    assert own.exists(), "what an operator has put there stays"
    assert {path.stem for path in (here.run / "programs").iterdir()} == {"tempo", "victorialogs"}

from pathlib import Path

import pytest

from stack.errors import Fault
from stack.settings import load, read_env_file


def write(folder: Path, text: str) -> Path:
    path = folder / ".env"
    path.write_text(text)
    return path


def test_comments_blank_lines_and_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, "# a comment\n\nA=1\nB='two words'\nC=\"x=y\"\nD=\nE=--a 1 --b\n")
    expected = {"A": "1", "B": "two words", "C": "x=y", "D": "", "E": "--a 1 --b"}
    assert read_env_file(path) == expected


@pytest.mark.parametrize("line", ["NO EQUALS", "export A=1", "1A=2"])
def test_a_line_that_is_no_setting_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(Fault, match=r"\.env line 2 is not KEY=value"):
        read_env_file(write(tmp_path, f"A=1\n{line}\n"))


def test_a_reference_would_mean_one_thing_to_compose_and_another_to_us(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="line 1: A refers to a variable"):
        read_env_file(write(tmp_path, "A=${B}\n"))


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, "MODEL=tiny\nLOGS_RETENTION=336h\n")
    settings = load(tmp_path, {"MODEL": "org/model", "HOME": "/home/x"})
    assert settings.values["MODEL"] == "org/model"
    assert settings.values["LOGS_RETENTION"] == "336h"
    assert settings.served_name == "org/model"
    assert settings.cache == Path("/home/x/.cache/llm-observability")


def test_the_embedded_model_brings_its_own_flags(tmp_path: Path) -> None:
    write(tmp_path, "MODEL=tiny\nVLLM_ARGS=\nVLLM_ARGS_TINY=--fast\n")
    tiny = load(tmp_path, {})
    assert (tiny.is_tiny, tiny.served_name, tiny.vllm_args) == (True, "tiny-llama", "--fast")
    assert load(tmp_path, {"VLLM_ARGS": "--mine"}).vllm_args == "--mine"
    assert load(tmp_path, {"MODEL": "org/model"}).vllm_args == ""


def test_the_state_folder_is_inside_the_checkout_unless_named(tmp_path: Path) -> None:
    assert load(tmp_path, {}).state == tmp_path / ".state"
    assert load(tmp_path, {"STATE_DIR": ".state/test"}).state == tmp_path / ".state" / "test"

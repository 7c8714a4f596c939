"""Exit codes: one for each reason, in code, in the log, in the docs and for the supervisor."""

import json
import logging
import os
import subprocess
import sys
from argparse import Namespace
from configparser import RawConfigParser
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from vllm.engine import arg_utils

from server import flags as vllm_flags
from server import launcher
from server.exits import Exit, NotStartedError, starting
from server.settings import SettingsError
from server.signals import serving

REPO = Path(__file__).parents[3]
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 16,
    "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 32,
    "max_position_embeddings": 128,
}  # fmt: skip


def test_the_docs_have_every_code_with_its_meaning() -> None:
    text = (REPO / "docs" / "server.md").read_text()
    rows = [line for line in text.splitlines() if line[:3] in {f"| {str(e)[0]}" for e in Exit}]
    said = [tuple(cell.strip() for cell in row.split("|")[1:3]) for row in rows]
    assert said == [(str(int(each)), each.meaning) for each in Exit]


def test_only_a_bad_setting_is_not_started_again() -> None:
    conf = RawConfigParser(inline_comment_prefixes=(" ;",))
    conf.read(REPO / "native" / "supervisord.conf")
    server = conf["program:server"]
    assert server["autorestart"] == "unexpected"
    assert server["exitcodes"] == str(int(Exit.BAD_SETTING))


def test_what_fails_after_a_caller_was_heard_is_no_failed_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "_page", bytearray(1))
    for expected in (SettingsError, ValueError):
        with pytest.raises(ValueError, match="x") as stop, starting(Namespace()):
            raise ValueError("x")
        assert type(stop.value) is expected
        serving.begin()


ENDS: list[tuple[Any, Exit]] = [
    (False, Exit.STOPPED),
    (True, Exit.FAILED),
    (KeyboardInterrupt(), Exit.STOPPED),
    (RuntimeError("a bug"), Exit.FAILED),
    (NotStartedError("no memory"), Exit.NOT_STARTED),
    (SettingsError("command line", "--model", "missing"), Exit.BAD_SETTING),
]


@pytest.mark.parametrize(("end", "code"), ENDS, ids=[f"{end!r}" for end, _ in ENDS])
def test_every_end_has_its_code_and_says_no_other(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    end: Any,
    code: Exit,
) -> None:
    async def serve(*_: object) -> bool:
        if isinstance(end, BaseException):
            raise end
        return bool(end)

    monkeypatch.setattr(launcher, "serve", serve)
    parts = Mock()
    with caplog.at_level(logging.CRITICAL):
        assert launcher.run(Namespace(), parts, "", Mock()) is code
    ((how,), _) = parts.leaving.leave.call_args
    assert how.died is (code is Exit.FAILED)
    parts.leaving.leave.assert_called_once()
    said = caplog.text + capsys.readouterr().err
    assert {each for each in Exit if f"exit {int(each)}" in said} <= {code}
    if code in (Exit.NOT_STARTED, Exit.FAILED):
        assert f"exit {int(code)}: {code.meaning}" in said
    if code is Exit.BAD_SETTING:
        assert said == "llm-server cannot start: command line: --model: missing\n"


def configure(args: Namespace) -> None:
    """Have vLLM judge the flags as the start does."""
    with starting(args):
        arg_utils.AsyncEngineArgs.from_cli_args(args).create_engine_config()


@pytest.fixture(autouse=True)
def _no_logging_of_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stay configured in this process, for every test after these."""
    monkeypatch.setattr(arg_utils, "configure_logging_if_needed", lambda _: None)


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    return str(tmp_path)


BAD_FLAGS = [
    (["--max-model-len", "99999999"], "--max-model-len", "greater than the derived"),
    (["--gpu-memory-utilization", "2"], "--gpu-memory-utilization", "less than or equal to 1"),
    (["--max-num-seqs", "0"], "--max-num-seqs", "greater than or equal to 1"),
    (["--tensor-parallel-size", "64"], "--tensor-parallel-size", "must be divisible"),
    (["--speculative-config", '{"method": "none"}'], "--speculative-config", "Input should be"),
    (["--quantization", "none"], "--quantization", "Unknown quantization method"),
    (["--hf-overrides", '{"architectures": ["N"]}'], "a flag of vLLM", "['N'] are not supported"),
]


@pytest.mark.parametrize(("flags", "name", "said"), BAD_FLAGS, ids=[f[0][0] for f in BAD_FLAGS])
def test_a_flag_that_vllm_refuses_is_one_line_with_its_name(
    model: str, flags: list[str], name: str, said: str
) -> None:
    args = vllm_flags.parse(["--model", model, *flags])
    with pytest.raises(SettingsError) as stop:
        configure(args)
    line = str(stop.value)
    assert line.startswith(f"command line: {name}: ")
    assert said in line
    assert "\n" not in line and len(line) < 500


@pytest.mark.parametrize("missing", ["/no/such/model", "no/such/model"])
def test_a_model_that_is_not_there_is_named(missing: str) -> None:
    args = vllm_flags.parse(["--model", missing])
    with pytest.raises(SettingsError, match=f"command line: --model: .*'{missing}'"):
        configure(args)


def offline() -> OSError:
    """What transformers raises where the hub cannot be reached, and what it came from."""
    error = OSError("We couldn't connect to 'https://huggingface.co' to load the files")
    error.__cause__ = ConnectionError("name or service not known")
    return error


NOT_SETTINGS = [
    RuntimeError("Engine core initialization failed. See root cause above."),
    MemoryError(),
    OSError(28, "No space left on device"),
    offline(),
]


@pytest.mark.parametrize("error", NOT_SETTINGS, ids=[type(e).__name__ for e in NOT_SETTINGS])
def test_what_nobody_typed_is_no_bad_setting(error: Exception) -> None:
    with pytest.raises(NotStartedError) as stop, starting(Namespace(model="m")):
        raise error
    assert type(error).__name__ in str(stop.value)
    assert stop.value.__cause__ is error


def test_a_file_is_named_and_a_stop_passes() -> None:
    args = Namespace(model="m")
    with pytest.raises(SettingsError, match="file: /no/such: No such file"), starting(args):
        Path("/no/such").read_text()
    with pytest.raises(KeyboardInterrupt), starting(args):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--no-such-flag"], "command line: unrecognized arguments: --no-such-flag"),
        (["--port", "many"], "command line: --port: invalid"),
        (["--dtype", "none"], "command line: --dtype: invalid choice: 'none'"),
        (["--allowed-origins", "*"], "command line: --allowed-origins: invalid"),
        (["--config", "/no/such.yaml"], "file: /no/such.yaml: No such file or directory"),
    ],
)
def test_a_flag_that_cannot_be_read_is_one_line(flags: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as stop:
        vllm_flags.parse(flags)
    assert str(stop.value).startswith(said)
    assert "\n" not in str(stop.value)


def test_a_process_ends_with_the_code_and_the_line() -> None:
    port = {"LLM_SERVER_METRICS_PORT": "29464"}
    done = subprocess.run(
        [sys.executable, "-m", "server", "--model", "/no/such/model", "--port", "0"],
        cwd=REPO,
        env={**os.environ, **port},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == Exit.BAD_SETTING
    last = done.stderr.splitlines()[-1]
    assert last.startswith("llm-server cannot start: command line: --model: ")
    assert "/no/such/model" in last
    assert "Traceback" not in done.stderr

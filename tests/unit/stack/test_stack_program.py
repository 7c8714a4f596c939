"""One part's program, read from supervisord's configuration, and the processes below a part."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack import settings
from stack.native import family
from stack.native.processes import environment
from stack.native.program import program, variables_of
from stack.parts.lineup import LineUp
from tests.conftest import REPO


@pytest.fixture
def here(tmp_path: Path) -> settings.Settings:
    return settings.load(REPO, {"STATE_DIR": str(tmp_path), "HOME": str(tmp_path)})


def test_a_program_is_what_supervisord_would_run(here: settings.Settings) -> None:
    variables = environment(here, "/model", LineUp("jaeger", "victorialogs", grafana=False))
    server = program(here, "server", variables)
    assert server.command == ("/bin/sh", f"{REPO}/native/server.sh")
    assert server.environment["LLM_OBSERVABILITY_SERVER"] == str(here.state)
    assert server.environment["SPT_NOENV"] == "1"
    assert server.environment["MODEL"] == "/model"
    collector = program(here, "otel-collector", variables)
    configs = [f"--config=otel-collector/{name}.yaml" for name in ("collector", "second")]
    assert collector.command == (variables["BIN_OTELCOL"], *configs)
    assert collector.environment["STORAGE_DIR"] == f"{here.state}/otel-collector"


def test_every_part_can_be_read(here: settings.Settings) -> None:
    variables = environment(here, "/model", LineUp("jaeger", "victorialogs", grafana=False))
    for part in ("prometheus", "alertmanager", "alertlog", "node-exporter"):
        assert "%(" not in " ".join(program(here, part, variables).command)


def test_the_engine_core_is_found_below_its_server() -> None:
    sleep = "import time; time.sleep(60)"
    start = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], sys.argv[2]])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", start, f"print(flush=True); {sleep}", "VLLM::EngineCore_0"],
        stdout=subprocess.PIPE,
        env={**os.environ, "DRILLED": "a=b"},
        start_new_session=True,
    ) as server:
        try:
            assert server.stdout and server.stdout.readline()
            found = family.engine_core(server.pid)
            assert found in family.below(server.pid)
            assert found != server.pid
            assert family.engine_core(found) == 0
            assert variables_of(found)["DRILLED"] == "a=b"
        finally:
            os.killpg(server.pid, 9)


def test_a_process_that_is_gone_has_nothing_below() -> None:
    assert family.below(2**22 + 1) == []
    assert family.engine_core(2**22 + 1) == 0

"""`make gpu-check`, with a fake GPU: what it needs, what it finds, and what it gives to report."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from server.engine_client import metering
from stack.commands import gpu_check as module
from stack.commands.gpu_check import gpu_check
from stack.errors import Fault
from stack.evidence.scrape import parse
from stack.settings import Settings
from tests.unit.catalogue.test_gpu_seen import DCGM, page
from tests.unit.fake_nvml import Fake
from tests.unit.logged import lines_of

REPO = Path(__file__).parents[3]
LEDGER = "llm_ledger_error_seconds 0.0\n"


def metered(asynchronous: bool) -> str:
    """What the server says at its start, by its own code."""
    scheduler = SimpleNamespace(scheduler_cls=None, async_scheduling=asynchronous)
    with lines_of("server.engine_client.metering") as lines:
        assert metering.meter(SimpleNamespace(scheduler_config=scheduler))
    return lines.text


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """Makes a machine with two H100s and a stack that runs; what is given is otherwise there."""

    def make(**given: Any) -> Settings:
        settings = Settings(REPO, tmp_path, tmp_path, {"GPU_BASE_IMAGE": "vllm/x", "MODEL": "m"})
        server = given.get("page", page(Fake()) + LEDGER)

        def loaded(of: Settings, name: str, known: tuple[str, ...], more: dict[str, str]) -> int:
            assert (more["DURATION"], of.values["COMPOSE_PROFILES"]) == ("300", "gpu")
            folder = tmp_path / "load" / more["RUN_ID"]
            folder.mkdir(parents=True)
            why = ["late"] if given.get("load") == 3 else []
            (folder / "run.json").write_text(json.dumps({"lines": 900, "invalid_because": why}))
            return int(given.get("load", 0))

        def audited(_: Settings) -> int:
            if "audit" in given:
                raise Fault(given["audit"])
            return 0

        replaced: dict[str, Any] = {
            "up": lambda _: 0,
            "audit": audited,
            "get_text": lambda url: given.get("dcgm", DCGM) if "9400" in url else server,
            "scrape": lambda: list(parse(server)),
        }
        for name, value in replaced.items():
            monkeypatch.setattr(module, name, value)
        monkeypatch.setattr(module.load, "run_beside", loaded)
        log = metered(given.get("asynchronous", True))
        monkeypatch.setattr(module.compose, "output", lambda *_: f"server  | {log}")
        monkeypatch.setattr(module.ways, "has_gpu", lambda: given.get("gpu", True))
        command = ["docker", "compose"] if given.get("docker", True) else []
        monkeypatch.setattr(module.ways, "compose_command", lambda: command)
        way = {"way": given["way"]} if "way" in given else {}
        monkeypatch.setattr(module.memo, "remembered", lambda _: way)
        for name in module.GPU_WAY:
            monkeypatch.setenv(name, "")
        return settings

    return make


def test_a_gpu_that_is_as_expected_is_reported_so(
    machine: Callable[..., Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu_check(machine()) == 0
    report = (tmp_path / "gpu-check" / "report.txt").read_text()
    assert "✗" not in report and report in capsys.readouterr().out
    for line in (
        "image: vllm/x; model: m",
        "✓ load: 900 requests in 300 s, status 0",
        "✓ NVML: gpu_power_watts, 2 series",
        "✓ DCGM: DCGM_FI_DEV_GPU_UTIL, 1 series",
        "✓ asynchronous scheduling: steps are metered by MeteredAsyncScheduler",
        "✓ ledger: its error is 0 s",
        "✓ cost-audit: all witnesses agree",
    ):
        assert line in report


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"load": 3}, "✗ load: 900 requests in 300 s, status 3 (late)"),
        ({"page": LEDGER}, "✗ NVML: the server shows no GPU"),
        ({"dcgm": None}, "✗ DCGM: dcgm-exporter does not answer"),
        ({"asynchronous": False}, "✗ asynchronous scheduling: steps are metered by MeteredSched"),
        ({"page": page(Fake())}, "✗ ledger: "),
        ({"page": page(Fake()) + LEDGER.replace("0.0", "1e-9")}, "✗ ledger: its error is 1e-09 s"),
        ({"audit": "the numbers do not add up"}, "✗ cost: the numbers do not add up"),
    ],
)
def test_what_is_not_as_expected_is_reported_and_the_rest_too(
    machine: Callable[..., Settings], tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    assert gpu_check(machine(**given)) == 1
    report = (tmp_path / "gpu-check" / "report.txt").read_text()
    assert said in report
    assert report.count("\n✓ load") + report.count("\n✗ load") == 1 and "cost" in report


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"gpu": False}, "this machine shows no GPU: gpu-check needs an NVIDIA GPU .* Toolkit"),
        ({"docker": False}, "there is no compose command: gpu-check needs"),
        ({"way": "native"}, "the stack runs natively"),
    ],
)
def test_without_what_it_needs_it_says_so_and_starts_nothing(
    machine: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    said: str,
) -> None:
    settings = machine(**given)
    monkeypatch.setattr(module, "up", lambda _: pytest.fail("it started the stack"))
    with pytest.raises(Fault, match=said):
        gpu_check(settings)

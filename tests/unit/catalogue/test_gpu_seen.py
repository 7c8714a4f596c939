"""What a GPU's pages show beside the catalogue: NVML's by the server's own code, DCGM's as read."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from server.catalogue import gpu
from server.catalogue.gpu_seen import findings, main
from server.signals import nvml
from server.signals.instruments import Family
from tests.unit.fake_nvml import Fake

LABELS = 'gpu="0",UUID="GPU-1",device="nvidia0",modelName="NVIDIA H100",Hostname="h"'
NAMES = (*(metric.name for metric in gpu.DCGM), "DCGM_FI_DEV_SM_CLOCK")
DCGM = "# HELP x\n" + "".join(f"{name}{{{LABELS}}} 41\n" for name in NAMES)


class _Once(Collector):
    """One reading."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[Family]:
        return self._families


def page(fake: Fake) -> str:
    registry = CollectorRegistry()
    registry.register(_Once(nvml.Gpus(fake).read()))
    return generate_latest(registry).decode()


def marks(lines: list[str]) -> dict[str, str]:
    return {line.split()[2].rstrip(","): line[0] for line in lines}


def test_two_gpus_and_their_exporter_are_as_the_catalogue_has_them() -> None:
    lines = list(findings(page(Fake()), DCGM))
    assert {line[0] for line in lines} == {"✓", "·"}
    found = marks(lines)
    assert all(found[metric.name] == "✓" for metric in (*gpu.NVML, *gpu.DCGM))
    assert lines[-1] == "· DCGM: offers beside them DCGM_FI_DEV_SM_CLOCK"


def test_what_a_device_lacks_is_a_note() -> None:
    found = marks(list(findings(page(Fake(events=False)), DCGM)))
    assert found["gpu_xid_errors_total"] == "·" and found["gpu_power_watts"] == "✓"


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ("", DCGM, "✗ NVML: the server shows no GPU"),
        ("gpu_fan_ratio 1\n", DCGM, "✗ NVML: gpu_fan_ratio is not in the catalogue"),
        ('gpu_power_watts{card="0"} 1\n', DCGM, "✗ NVML: gpu_power_watts has the labels card, not"),
        (None, "", "✗ DCGM: dcgm-exporter does not answer"),
        (None, DCGM.replace("FB_FREE", "FB_LEFT"), "✗ DCGM: DCGM_FI_DEV_FB_FREE is not there"),
        (None, DCGM.replace('gpu="0",', ""), "✗ DCGM: DCGM_FI_DEV_GPU_UTIL has the labels"),
    ],
)
def test_what_is_not_as_we_read_it_is_said(ours: str | None, theirs: str, said: str) -> None:
    whole = page(Fake())
    seen = whole if ours is None else whole + ours if ours else ""
    lines = list(findings(seen, theirs))
    assert any(line.startswith(said) for line in lines), lines


def test_dcgms_word_for_no_value_is_a_note() -> None:
    name = "DCGM_FI_DEV_XID_ERRORS"
    missing = DCGM.replace(f"{name}{{{LABELS}}} 41", f"{name}{{{LABELS}}} 9223372036854775794")
    assert f"· DCGM: {name} is not supported by the device" in list(findings(page(Fake()), missing))


def test_the_status_tells_whether_all_names_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "nvml.txt", tmp_path / "dcgm.txt"]
    files[0].write_text(page(Fake()))
    files[1].write_text(DCGM)
    assert main([str(each) for each in files]) == 0
    files[1].write_text("")
    assert main([str(each) for each in files]) == 1
    assert "✗ DCGM" in capsys.readouterr().out

"""Which images `make test-compose` runs; a stand-in is no weaker than what it stands for."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertmanager import settings as alertlog_settings
from stack.containers import standins
from stack.containers.standins import Cast
from stack.errors import Fault
from stack.parts import lineup
from stack.parts.lineup import LineUp
from stack.readiness import ways
from stack.settings import Settings, load
from tests.compose import images, parts
from tests.unit.stack.test_compose import REPO, project

TEMPO_AND_LOKI, EMBEDDED = ("tempo", "loki"), ("jaeger", "victorialogs")
PAIRS = list(zip(EMBEDDED, TEMPO_AND_LOKI, strict=True))
# Of the GPU profile.
GPU = {"GPU_BASE_IMAGE", "DCGM_EXPORTER_IMAGE", "CADDY_IMAGE"}
"""What a machine without a GPU, and without callers on others, does without."""


@pytest.fixture(autouse=True)
def _nothing_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


def settings(tmp_path: Path, **values: str) -> Settings:
    return load(REPO, {"XDG_CACHE_HOME": str(tmp_path), **values})


def probes(*pull: str) -> ways.Probes:
    """A machine that can pull the images that begin with one of these."""
    return ways.Probes(
        daemon=lambda: True,
        compose=lambda: True,
        is_here=lambda image: False,
        can_pull=lambda image: bool(pull) and image.startswith(pull),
    )


def test_without_a_registry_all_are_stand_ins_and_the_embedded_stores_run(tmp_path: Path) -> None:
    cast = standins.choose(settings(tmp_path), probes())
    assert cast == Cast((), LineUp(*EMBEDDED, grafana=False))
    left_out, replaced = "tests/compose/without-grafana.yaml", "tests/compose/embedded-stores.yaml"
    assert cast.files() == ("compose.yaml", left_out, replaced)
    said = " ".join(standins.shown(settings(tmp_path), cast))
    assert "none can be had" in said and "jaeger and victorialogs, no grafana" in said


def test_with_a_registry_the_official_images_run_as_they_are(tmp_path: Path) -> None:
    cast = standins.choose(settings(tmp_path), probes(""))
    keys = re.findall(r"^(\w+_IMAGE)=", (REPO / ".env").read_text(), re.MULTILINE)
    assert set(cast.official) == set(keys) - GPU
    assert cast.lineup == lineup.COMPOSE
    assert cast.files() == ("compose.yaml",)
    said = " ".join(standins.shown(settings(tmp_path), cast))
    assert "grafana/grafana:" in said and "no grafana" not in said


def test_a_tag_that_its_registry_does_not_have_is_no_stand_in(tmp_path: Path) -> None:
    wrong = settings(tmp_path, TEMPO_IMAGE="grafana/tempo:0.0.1")
    had = [tag for tag in ways.images(load(REPO, {}).values).values() if "tempo" not in tag]
    with pytest.raises(Fault, match=r"^grafana/tempo:0\.0\.1 cannot be had, but others of its"):
        standins.choose(wrong, probes(*had))


def test_one_registry_may_be_out_of_reach(tmp_path: Path) -> None:
    mixed = settings(tmp_path, LOKI_IMAGE="mirror.example/loki:1", TEMPO_IMAGE="m.example/tempo:1")
    cast = standins.choose(mixed, probes("prom/", "grafana/", "otel/", "python", "busybox"))
    assert "PROMETHEUS_IMAGE" in cast.official
    # Grafana could be had, but its data sources could not answer.
    assert cast.lineup == LineUp(*EMBEDDED, grafana=False)


def test_tempo_and_loki_on_path_take_the_official_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = lineup.Choice(LineUp(*TEMPO_AND_LOKI, grafana=True), ())
    monkeypatch.setattr(lineup, "choose", lambda _: native)
    cast = standins.choose(settings(tmp_path), probes())
    assert cast == Cast((), LineUp(*TEMPO_AND_LOKI, grafana=False))
    assert cast.files() == ("compose.yaml", "tests/compose/without-grafana.yaml")


def test_a_wish_decides(tmp_path: Path) -> None:
    asked: list[str] = []
    watched = ways.Probes(bool, bool, lambda image: False, lambda image: bool(asked.append(image)))
    assert standins.choose(settings(tmp_path, TEST_IMAGES="stand-in"), watched).official == ()
    assert asked == []
    with pytest.raises(Fault, match=r"grafana/grafana:.* cannot be had, but TEST_IMAGES=official"):
        standins.choose(settings(tmp_path, TEST_IMAGES="official"), watched)
    with pytest.raises(Fault, match="TEST_IMAGES=both is unknown"):
        standins.choose(settings(tmp_path, TEST_IMAGES="both"), watched)


def test_what_the_callers_environment_calls_an_image_is_not_asked_for(tmp_path: Path) -> None:
    cast = standins.choose(settings(tmp_path, CI_REGISTRY_IMAGE="ours/built:1"), probes(""))
    assert "CI_REGISTRY_IMAGE" not in cast.official


def test_images_of_an_earlier_run_need_no_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, pulled = settings(tmp_path), []
    (ours.cache / "docker" / "data").mkdir(parents=True)
    monkeypatch.setattr(images, "docker", lambda *words: pulled.append(words[-1]))
    tags = [tag for key, tag in ways.images(ours.values).items() if key not in GPU]
    for tag in [*tags, *tags]:
        images._pull(ours, tag)
    assert pulled == tags
    assert set(standins.choose(ours, probes()).official) == set(standins._tags(ours))


@pytest.mark.parametrize("stores", [TEMPO_AND_LOKI, EMBEDDED])
def test_the_tests_process_reads_what_was_chosen(tmp_path: Path, stores: tuple[str, str]) -> None:
    cast = Cast(("LOKI_IMAGE",), LineUp(*stores, grafana=stores == TEMPO_AND_LOKI))
    words = cast.words()
    assert lineup.running(settings(tmp_path, STATE_DIR=str(tmp_path), **words)) == cast.lineup
    assert words[standins.OFFICIAL_KEY] == "LOKI_IMAGE"


def test_every_service_has_an_image_to_stand_in() -> None:
    keys = {image.key for image in (*parts.IMAGES, *parts.STORES.values())}
    official = {key for key in keys if key.endswith("_IMAGE")}
    env = re.findall(r"^(\w+_IMAGE)=", (REPO / ".env").read_text(), re.MULTILINE)
    # Grafana has no stand-in, and the server's image is built.
    assert official == set(env) - GPU - {"GRAFANA_IMAGE", "CPU_BASE_IMAGE"}


@pytest.fixture(scope="module")
def replaced() -> dict[str, Any]:
    files = Cast((), LineUp(*EMBEDDED, grafana=False)).files()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.defpath)
        return dict(project("cpu", files)["services"])


def _hardened(service: dict[str, Any], but: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in service.items() if key not in but}


@pytest.mark.parametrize(("name", "place"), PAIRS)
def test_an_embedded_store_is_held_like_the_one_it_stands_for(
    replaced: dict[str, Any], name: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    own = ("image", "command", "environment", "healthcheck", "ports", "volumes")
    expected = _hardened(project("cpu")["services"][place], own)
    assert _hardened(replaced[name], own) == expected
    assert place not in replaced
    assert replaced[name]["image"] == parts.STORES[name].key
    assert all(port["host_ip"] == "127.0.0.1" for port in replaced[name]["ports"])
    mounts = {
        volume["target"] for volume in replaced[name]["volumes"] if volume["type"] == "volume"
    }
    # The folder in the image gives the volume its owner.
    assert mounts == set(parts.STORES[name].folders)


def test_the_collector_and_prometheus_know_the_embedded_stores(replaced: dict[str, Any]) -> None:
    environment = replaced["otel-collector"]["environment"]
    assert environment["TRACES_OTLP_ENDPOINT"] == "jaeger:4317"
    assert environment["LOGS_OTLP_ENDPOINT"].startswith("http://victorialogs:9428/")
    mounts = {v["target"]: v["source"] for v in replaced["prometheus"]["volumes"]}
    assert mounts["/etc/prometheus/targets"] == str(REPO / "tests/compose/targets")


def test_alertlogs_links_lead_to_the_stores_that_stand_in(replaced: dict[str, Any]) -> None:
    found = alertlog_settings.load(replaced["alertlog"]["environment"])
    assert (found.grafana, set(found.stores)) == ("", {"jaeger", "victorialogs"})


def _targets(folder: str) -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((REPO / folder / "scrape.yaml").read_text())
    return {group["labels"]["job"]: group for group in groups}


def test_the_embedded_stores_are_scraped_in_the_others_places() -> None:
    ours, official = _targets("tests/compose/targets"), _targets("prometheus/targets/compose")
    left_out = {*TEMPO_AND_LOKI, "grafana"}
    assert {job: ours[job] for job in set(ours) - set(EMBEDDED)} == {
        job: official[job] for job in set(official) - left_out
    }
    for name, place in PAIRS:
        assert ours[name]["labels"]["store"] == official[place]["labels"]["store"]
    same = "alertmanagers.yaml"
    assert (REPO / "tests/compose/targets" / same).read_text() == (
        REPO / "prometheus/targets/compose" / same
    ).read_text()

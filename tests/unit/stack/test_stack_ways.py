import pytest

from stack.errors import Fault
from stack.readiness.ways import Probes, Way, choose, images, registry

VALUES = {
    "CPU_BASE_IMAGE": "public.example/python:v1",
    "GPU_BASE_IMAGE": "vllm/gpu:v1",
    "DCGM_EXPORTER_IMAGE": "nv.example/dcgm:v1",
    "TEMPO_IMAGE": "grafana/tempo:2.9.0",
    "LOKI_IMAGE": "grafana/loki:3.7.8",
}


def probes(
    daemon: bool = True, compose: bool = True, here: bool = False, pull: tuple[str, ...] = ()
) -> Probes:
    return Probes(
        daemon=lambda: daemon,
        compose=lambda: compose,
        is_here=lambda image: here,
        can_pull=lambda image: image.startswith(pull) if pull else False,
    )


def test_no_daemon_means_native() -> None:
    assert choose(VALUES, probes(daemon=False)) == Way("native", "no Docker daemon answers")


def test_no_compose_command_means_native() -> None:
    assert choose(VALUES, probes(compose=False)).name == "native"


def test_images_that_are_here_need_no_registry() -> None:
    assert choose(VALUES, probes(here=True)).name == "compose"


def test_images_that_can_be_pulled_mean_compose() -> None:
    assert choose(VALUES, probes(pull=("public.example", "grafana/"))).name == "compose"


def test_a_daemon_that_cannot_get_the_images_means_native_and_names_the_registry() -> None:
    way = choose(VALUES, probes(pull=("grafana/",)))
    assert way.name == "native"
    assert "public.example" in way.why


def test_mode_decides() -> None:
    assert choose({**VALUES, "MODE": "native"}, probes(here=True)).name == "native"
    assert choose({**VALUES, "MODE": "compose"}, probes(here=True)).name == "compose"
    with pytest.raises(Fault, match="MODE=compose, but no Docker daemon answers: start Docker"):
        choose({**VALUES, "MODE": "compose"}, probes(daemon=False))
    with pytest.raises(Fault, match="MODE=docker is unknown: use MODE=compose or MODE=native"):
        choose({**VALUES, "MODE": "docker"}, probes())


def test_each_profile_asks_for_its_own_images() -> None:
    cpu = images(VALUES)
    assert cpu["CPU_BASE_IMAGE"] == VALUES["CPU_BASE_IMAGE"]
    assert not {"GPU_BASE_IMAGE", "DCGM_EXPORTER_IMAGE"} & set(cpu)
    gpu = images({**VALUES, "COMPOSE_PROFILES": "gpu"})
    assert "DCGM_EXPORTER_IMAGE" in gpu
    assert "CPU_BASE_IMAGE" not in gpu


def test_the_proxys_image_is_asked_for_where_it_runs() -> None:
    proxied = {**VALUES, "CADDY_IMAGE": "caddy:1"}
    assert "CADDY_IMAGE" not in images(proxied)
    assert "CADDY_IMAGE" in images({**proxied, "REMOTE_HOST": "llm.example.org"})


def test_a_registry_is_a_host_before_a_slash() -> None:
    assert registry("nvcr.io/nvidia/k8s/dcgm-exporter:4.6.0") == "nvcr.io"
    assert registry("localhost:5000/own:1") == "localhost:5000"
    for image in ("python:3.12-slim-bookworm", "busybox:1.37.0", "grafana/loki:3.7.8"):
        assert registry(image) == "the default registry"

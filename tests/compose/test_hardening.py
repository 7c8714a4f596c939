"""Each container as the kernel holds it: no root, no capability, no writes, bounded, apart."""

import psutil
import pytest

from stack.errors import Fault
from stack.settings import Settings
from tests.compose.docker import ONE_SHOT, Container, containers
from tests.compose.runs import API, LOGS, PARTS, TRACES

# Every part, and the neighbour that asks after the Collector's health.
CPU_PARTS = {*(part.name for part in PARTS), "otel-collector-health"}
NO_CPU_LIMIT = {"server"}
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"


@pytest.fixture(scope="module")
def found(stack: Settings) -> dict[str, Container]:
    return containers(stack)


def _running(found: dict[str, Container]) -> dict[str, Container]:
    return {name: one for name, one in found.items() if name != ONE_SHOT}


def test_every_part_runs_and_is_healthy(found: dict[str, Container]) -> None:
    assert {name for name, one in _running(found).items() if one.is_healthy} == CPU_PARTS
    assert found[ONE_SHOT].state["ExitCode"] == 0


@pytest.mark.parametrize("name", sorted(CPU_PARTS))
def test_no_process_is_root_or_could_become_it(found: dict[str, Container], name: str) -> None:
    processes = found[name].processes()
    assert processes
    for status in processes:
        assert "0" not in status["Uid"].split(), status["Name"]
        for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0, f"{status['Name']} has {kind} {status[kind]}"
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"


@pytest.mark.parametrize("name", sorted(CPU_PARTS))
def test_its_root_is_mounted_read_only(found: dict[str, Container], name: str) -> None:
    mounts = (line.split() for line in _mounts(found[name]))
    (options,) = (fields[5] for fields in mounts if fields[4] == "/")
    assert "ro" in options.split(",")


def _mounts(container: Container) -> list[str]:
    with open(f"/proc/{container.pid}/mountinfo") as file:  # noqa: PTH123, not a file of ours
        return file.read().splitlines()


@pytest.mark.parametrize("name", [*sorted(CPU_PARTS), ONE_SHOT])
def test_the_engine_bounds_it(found: dict[str, Container], name: str) -> None:
    host = found[name].host
    assert host["ReadonlyRootfs"] and not host["Privileged"]
    assert host["Memory"] > 0 and host["PidsLimit"] > 0
    assert (host["NanoCpus"] > 0) == (name not in NO_CPU_LIMIT)
    assert host["CapDrop"] == ["ALL"]
    assert (host["CapAdd"] or []) == (["CAP_CHOWN"] if name == ONE_SHOT else [])
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
    assert host["RestartPolicy"]["Name"] == ("no" if name == ONE_SHOT else "unless-stopped")
    assert not host["PidMode"] and not host["Devices"]


@pytest.mark.parametrize("name", sorted(CPU_PARTS))
def test_its_limits_held_so_far(found: dict[str, Container], name: str) -> None:
    assert not found[name].state["OOMKilled"]
    assert found[name].raw["RestartCount"] == 0


def test_published_ports_are_on_loopback(found: dict[str, Container]) -> None:
    listening = [
        each.laddr
        for process in psutil.process_iter()
        if process.name() == "docker-proxy"
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]
    assert {8000, 9464, 4317, 9090, API[TRACES], API[LOGS]} <= {
        address.port for address in listening
    }
    assert {address.ip for address in listening} == {"127.0.0.1"}


def _reaches(source: Container, host: str, port: int) -> bool:
    try:
        source.run("python3", "-c", CONNECT, host, str(port))
    except Fault:
        return False
    return True


@pytest.mark.parametrize("source", ["server", "alertlog"])
def test_who_pushes_reaches_the_collector(found: dict[str, Container], source: str) -> None:
    assert _reaches(found[source], "otel-collector", 4318)


def test_alertlog_reaches_the_prometheus_that_it_asks(found: dict[str, Container]) -> None:
    assert _reaches(found["alertlog"], "prometheus", 9090)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        ("server", TRACES, API[TRACES]),
        ("server", LOGS, API[LOGS]),
        ("server", "alertmanager", 9093),
        ("alertlog", TRACES, API[TRACES]),
        ("alertlog", LOGS, API[LOGS]),
        ("alertlog", "node-exporter", 9100),
    ],
)
def test_who_has_no_business_with_it_cannot(
    found: dict[str, Container], source: str, target: str, port: int
) -> None:
    addresses = found[target].addresses.values()
    assert addresses
    # By address: a name that cannot be resolved would say little about the network.
    for address in addresses:
        assert not _reaches(found[source], address, port), f"{target} answers at {address}"


@pytest.mark.parametrize(
    "pair", [(TRACES, LOGS), (TRACES, "alertmanager"), (LOGS, "server")], ids="-".join
)
def test_stores_share_no_network(found: dict[str, Container], pair: tuple[str, str]) -> None:
    first, second = (set(found[name].addresses) for name in pair)
    assert first and second and not first & second


def test_the_exporter_cannot_open_the_engines_socket(
    found: dict[str, Container], stack: Settings
) -> None:
    socket = f"/host{stack.run / 'docker.sock'}"
    shell = f'test -S "{socket}" && ! test -w "{socket}" && echo closed'
    assert found["node-exporter"].run("/bin/busybox", "sh", "-c", shell) == "closed"

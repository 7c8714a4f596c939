"""What the engine and the kernel know of our running containers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.settings import Settings
from tests.compose.engine import docker

ONE_SHOT = "volume-init"
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"


@dataclass(frozen=True)
class Container:
    """One container as `docker inspect` shows it."""

    raw: dict[str, Any]

    @property
    def service(self) -> str:
        """Its name in compose.yaml."""
        return str(self.raw["Config"]["Labels"][SERVICE])

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.raw["Id"])

    @property
    def host(self) -> dict[str, Any]:
        """What the engine was asked for."""
        return dict(self.raw["HostConfig"])

    @property
    def state(self) -> dict[str, Any]:
        """How it is now."""
        return dict(self.raw["State"])

    @property
    def pid(self) -> int:
        """Its first process, as the host sees it."""
        return int(self.state["Pid"])

    @property
    def is_healthy(self) -> bool:
        """True when it runs and its health check, if any, agrees."""
        health = self.state.get("Health", {}).get("Status", "healthy")
        return bool(self.state["Running"]) and health == "healthy"

    @property
    def addresses(self) -> dict[str, str]:
        """Its IP address on each network, by the network's name in compose.yaml."""
        networks = self.raw["NetworkSettings"]["Networks"].items()
        return {name.rpartition("_")[2]: one["IPAddress"] for name, one in networks}

    def processes(self) -> list[dict[str, str]]:
        """The kernel's status of each of its processes."""
        listed = docker("top", self.id, "-eo", "pid").split()[1:]
        return [_status(Path("/proc") / pid / "status") for pid in listed]

    def run(self, *command: str) -> str:
        """What a command prints inside it; raises Fault when it fails."""
        return docker("exec", self.id, *command)


def _status(path: Path) -> dict[str, str]:
    pairs = (line.partition(":") for line in path.read_text().splitlines())
    return {key: value.strip() for key, _, value in pairs}


def containers(settings: Settings) -> dict[str, Container]:
    """Every container of the project by its service, also one that has ended."""
    project = f"label={PROJECT}={settings.values['COMPOSE_PROJECT_NAME']}"
    ids = docker("ps", "--all", "--quiet", "--filter", project).split()
    found = [Container(raw) for raw in json.loads(docker("inspect", *ids))]
    return {container.service: container for container in found}

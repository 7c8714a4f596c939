"""What containers get as a secret or a file: where it lies, and that no environment holds one."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.stack.test_compose import PROFILES, REPO, dot_env, each_service, project, services


@pytest.mark.parametrize(("name", "service"), each_service())
def test_no_password_in_the_environment(name: str, service: dict[str, Any]) -> None:
    for key, value in (service.get("environment") or {}).items():
        if "PASSWORD" in key:
            assert key.endswith("__FILE")
            assert value.startswith("/run/secrets/")


@pytest.mark.parametrize("profile", PROFILES)
def test_secrets_are_files_that_the_repository_does_not_hold(profile: str) -> None:
    held = {**project(profile)["secrets"], **project("cpu,remote")["secrets"]}
    sources = {name: Path(secret["file"]) for name, secret in held.items()}
    # Without LLM_SERVER_KEYS there are no keys to hold.
    assert sources.pop("api_keys") == Path("/dev/null")
    made = {"grafana_admin_password", "hf_token", "otlp_headers", "otlp_ca"}
    assert set(sources) == made | {"remote_cert", "remote_key"}
    assert all(path.parent == REPO / ".state" / "secrets" for path in sources.values())
    wanted = {s["source"] for one in services(profile).values() for s in one.get("secrets", [])}
    wanted |= {s["source"] for s in services("cpu,remote")["proxy"]["secrets"]}
    assert wanted == set(held)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_price_file_reaches_the_server_and_there_are_no_budgets(profile: str) -> None:
    held = {name: Path(config["file"]) for name, config in project(profile)["configs"].items()}
    assert held == {"prices": REPO / "server" / "prices.yaml", "budgets": Path("/dev/null")}
    (server,) = (s for n, s in services(profile).items() if n in ("server", "server-gpu"))
    mounted = {config["source"]: config["target"] for config in server["configs"]}
    assert set(mounted) == set(held)
    assert server["environment"]["LLM_SERVER_PRICES"] == mounted["prices"]
    assert server["environment"]["LLM_SERVER_BUDGETS"] == ""


def test_no_secret_in_dot_env() -> None:
    named = re.findall(r"^\w*(?:TOKEN|PASSWORD|SECRET|KEY)\w*=(.+)$", dot_env(), re.M)
    assert named == []

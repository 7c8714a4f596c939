"""The installed package: the wheel holds all that runs, and starts away from the checkout."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())
PACKAGES = ("server", "alertmanager")
DATA = {"server/logging.json", "server/prices.yaml"}
ADDRESSES = ("alertlog", "heartbeat")
# For the image and for Alertmanager: no module of ours opens them.
NOT_INSTALLED = {
    *("server/Dockerfile", "server/entrypoint.sh", "server/install.sh"),
    *("alertmanager/alertmanager.yaml", "alertmanager/url/.gitignore"),
    *(f"alertmanager/url/{way}/{to}" for way in ("compose", "native") for to in ADDRESSES),
    *(str(path.relative_to(REPO)) for path in (REPO / "alertmanager").glob("receivers/*.yaml")),
    *(str(path.relative_to(REPO)) for path in (REPO / "alertmanager").glob("templates/*.tmpl")),
}
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def sources() -> set[str]:
    """Every file of the two packages that is not made by running them."""
    files = (path for name in PACKAGES for path in (REPO / name).rglob("*") if path.is_file())
    return {str(path.relative_to(REPO)) for path in files if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as the image does and unpack it, which is what installing it does."""
    root = tmp_path_factory.mktemp("wheel")
    source, made, target = root / "source", root / "made", root / "site"
    for name in PACKAGES:
        shutil.copytree(REPO / name, source / name)
    (source / "requirements").mkdir()
    for name in ("pyproject.toml", "LICENSE", "requirements/server.in"):
        shutil.copyfile(REPO / name, source / name)
    command = [sys.executable, "-c", BUILD, str(made)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = made.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(target)
    return target


def metadata(site: Path) -> Message:
    (file,) = site.glob("*.dist-info/METADATA")
    return Parser().parsestr(file.read_text())


def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(site: Path) -> None:
    files = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    installed = {name for name in files if ".dist-info/" not in name}
    assert installed == sources() - NOT_INSTALLED
    assert {name for name in installed if not name.endswith(".py")} == DATA


def test_it_asks_for_what_our_code_imports_beside_vllm(site: Path) -> None:
    lines = (REPO / "requirements/server.in").read_text().splitlines()
    named = [line.partition("  #")[0] for line in lines if not line.startswith("#")]
    assert metadata(site).get_all("Requires-Dist") == named
    assert metadata(site)["Name"] == "llm-observability"


def test_what_builds_it_is_the_engines_own() -> None:
    (builder,) = PROJECT["build-system"]["requires"]
    lock = (REPO / "requirements/native.lock").read_text()
    assert re.search(rf"^{re.escape(builder)}\b", lock, re.M)


def start(site: Path, away: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", "--model", "none"],
        cwd=away,
        env={**os.environ, "PYTHONPATH": str(site), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_starts_away_from_the_checkout_with_its_own_prices(site: Path, tmp_path: Path) -> None:
    # The prices are read before the keys: what is said of the keys says that the prices are there.
    done = start(site, tmp_path, LLM_SERVER_KEYS="none.yaml")
    assert done.returncode == 78
    said = "llm-server cannot start: none.yaml: LLM_SERVER_KEYS: cannot be read: "
    assert done.stderr.splitlines()[-1].startswith(said)


def test_its_errors_name_places_as_the_checkouts_do(site: Path, tmp_path: Path) -> None:
    code = """
from server.signals.code_places import of_traceback
from server.settings import read_settings
try:
    read_settings({"LLM_SERVER_METRICS_PORT": "x"})
except ValueError as error:
    print(of_traceback(error, 1)[0])
"""
    env = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("server/settings.py:")

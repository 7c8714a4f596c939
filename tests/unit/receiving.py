"""Settings that name receivers, their secret files, and the tools that judge the outcome."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack.http import probe
from stack.receivers import render
from stack.receivers.chosen import chosen
from stack.settings import Settings, load

REPO = Path(__file__).resolve().parents[2]
ALERTMANAGER = REPO / "alertmanager"
PATIENCE = 30.0
NOWHERE = "http://127.0.0.1:9/hook"
needs_amtool = pytest.mark.skipif(not shutil.which("amtool"), reason="no amtool on PATH")
needs_alertmanager = pytest.mark.skipif(
    not shutil.which("alertmanager"), reason="no alertmanager on PATH"
)

SECRETS = {
    "SLACK_WEBHOOK_FILE": NOWHERE,
    "ALERT_EMAIL_PASSWORD_FILE": "correct horse",
    "PAGERDUTY_KEY_FILE": "0123456789abcdef0123456789abcdef",
    "ALERT_WEBHOOK_URL_FILE": NOWHERE,
    "ALERT_HEARTBEAT_URL_FILE": NOWHERE,
}
EMAIL = {
    "ALERT_EMAIL_TO": "oncall@example.org",
    "ALERT_EMAIL_FROM": "alerts@example.org",
    "ALERT_EMAIL_SMARTHOST": "smtp.example.org:587",
}
LOGIN = {"ALERT_EMAIL_USER": "alerts@example.org"}


def secret_file(folder: Path, key: str, text: str = "") -> str:
    """A file of mode 0600 with the text, or with one that is right for the key; its path."""
    path = folder / key.lower()
    path.write_text((text or SECRETS[key]) + "\n")
    path.chmod(0o600)
    return str(path)


def settings_of(folder: Path, **values: str) -> Settings:
    """The checkout's settings with nothing of the caller's environment but these values."""
    return load(REPO, {"STATE_DIR": str(folder / "state"), **values})


def everything(folder: Path, **more: str) -> Settings:
    """Settings with a receiver of each kind and teams of their own."""
    files = {key: secret_file(folder, key) for key in SECRETS}
    teams = {"SLACK_CHANNEL_COST": "#cost", "ALERT_EMAIL_TO_SERVING": "gpu@example.org"}
    given = {**files, **EMAIL, **LOGIN, "SLACK_CHANNEL": "#llm", **teams, **more}
    return settings_of(folder, **given)


def written(settings: Settings) -> Path:
    """The configuration, with templates/ and url/ beside it as the native way has them."""
    render.write(settings, chosen(settings), render.on_host)
    config = render.path(settings)
    for name, source in (("templates", "templates"), ("url", "url/native")):
        link = config.parent / name
        if not link.is_symlink():
            link.symlink_to(ALERTMANAGER / source)
    return config


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """An Alertmanager with folder/alertmanager.yaml that writes folder/log; yields its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = ["--cluster.listen-address=", f"--web.listen-address={address}", "--log.level=warn"]
    files = ["--config.file=alertmanager.yaml", "--storage.path=data"]
    command = ["alertmanager", *files, *flags, "--enable-feature=receiver-name-in-metrics"]
    env = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        wait_for(lambda: probe(f"http://{address}/-/ready"), folder / "log")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def wait_for(condition: Callable[[], object], log: Path | None = None) -> None:
    """Wait until it is so; a machine that is busy may take its time."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, log.read_text() if log else "it did not come about"
        time.sleep(0.02)


def amtool(*arguments: str) -> str:
    """What amtool prints; fails the test with its words when it does not end well."""
    done = subprocess.run(
        ["amtool", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout

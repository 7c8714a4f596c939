"""Alertmanager's configuration with the receivers of `.env`, written where both ways find it."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from string import Template

from stack.receivers.chosen import SEVERITIES, Receiver, is_on_this_machine
from stack.settings import Settings

ROUTES, RECEIVERS = "    # Routes of .env\n", "  # Receivers of .env\n"
"""The two lines of alertmanager/alertmanager.yaml behind which they stand."""
IN_CONTAINER = "/etc/alertmanager/secrets"
Place = Callable[[Receiver], str]
"""Where Alertmanager reads a receiver's secret."""


def on_host(receiver: Receiver) -> str:
    """The operator's own file; empty for a receiver without a secret."""
    return str(receiver.secret.resolve()) if receiver.secret else ""


def in_container(receiver: Receiver) -> str:
    """The copy that `copy_secrets` makes, as the container sees it."""
    return f"{IN_CONTAINER}/{receiver.name}" if receiver.secret else ""


def _quoted(text: str) -> str:
    # A string of JSON is one of YAML too, whatever it holds.
    return json.dumps(text, ensure_ascii=False)


def _block(settings: Settings, receiver: Receiver, place: Place) -> str:
    fragment = (settings.repo / "alertmanager" / "receivers" / f"{receiver.kind}.yaml").read_text()
    words = {key: _quoted(text) for key, text in receiver.words.items()}
    words |= {"name": _quoted(receiver.name), "secret": _quoted(place(receiver))}
    words["tls"] = "false" if is_on_this_machine(receiver.words.get("host", "")) else "true"
    lines = [line for line in fragment.splitlines(keepends=True) if not line.startswith("#")]
    return Template("".join(lines)).substitute(words)


def _route(receiver: Receiver, teams: Iterable[Receiver]) -> Iterator[str]:
    yield f"    - receiver: {receiver.name}"
    yield f'      matchers: [severity =~ "{SEVERITIES[receiver.kind]}"]'
    if receiver.kind == "heartbeat":
        yield "      group_by: [alertname]"
        yield "      group_wait: 0s"
        yield "      group_interval: 30s"
        yield "      repeat_interval: 50s"
    yield "      continue: true"
    own = [one for one in teams if one.kind == receiver.kind and one.team]
    if own:
        yield "      routes:"
    for one in own:
        yield f"        - {{receiver: {one.name}, matchers: [team = {one.team}]}}"


def rendered(settings: Settings, receivers: tuple[Receiver, ...], place: Place) -> str:
    """The configuration as text: without receivers, alertmanager/alertmanager.yaml as it is."""
    text = (settings.repo / "alertmanager" / "alertmanager.yaml").read_text()
    general = [receiver for receiver in receivers if not receiver.team]
    routes = [line for one in general for line in _route(one, receivers)]
    blocks = "".join(_block(settings, one, place) for one in receivers)
    for mark, more in ((ROUTES, "".join(f"{line}\n" for line in routes)), (RECEIVERS, blocks)):
        before, found, after = text.partition(mark)
        text = f"{before}{found}{more}{after}"
    return text


def path(settings: Settings) -> Path:
    """Where the configuration of the stack that runs is."""
    return settings.run / "alertmanager" / "alertmanager.yaml"


def write(settings: Settings, receivers: tuple[Receiver, ...], place: Place) -> None:
    """Write the configuration; it holds no secret, and its folder lets only its owner in."""
    target, text = path(settings), rendered(settings, receivers, place)
    target.parent.mkdir(parents=True, exist_ok=True)
    settings.run.chmod(0o700)
    # An older version linked to the checkout's file, which must not be written through.
    if target.is_symlink():
        target.unlink()
    beside = _beside(target, text.encode("utf-8"))
    if place is in_container and target.is_file():
        # Into the same file: a container that has it mounted would not see another in its place.
        # That there is room for all of it is known by now.
        target.write_bytes(beside.read_bytes())
        beside.unlink()
    else:
        beside.replace(target)


def _beside(target: Path, content: bytes) -> Path:
    """A whole new file in the same folder: what fails half-way leaves the old one as it is."""
    beside = target.with_name(f".{target.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(0o644)
    return beside


def secrets_folder(settings: Settings) -> Path:
    """Where the containers' copies of the secrets are."""
    return settings.state / "secrets" / "alertmanager"


def copy_secrets(settings: Settings, receivers: tuple[Receiver, ...]) -> None:
    """Copy each receiver's secret for the container, and take away those of no receiver."""
    folder = secrets_folder(settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Alertmanager's container has a user of its own: it may read all inside, and others of this
    # machine do not get in.
    folder.parent.chmod(0o700)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    wanted = {one.name: one.secret for one in receivers if one.secret}
    for stale in [there for there in folder.iterdir() if there.name not in wanted]:
        stale.unlink()
    for name, source in wanted.items():
        _beside(folder / name, source.read_bytes()).replace(folder / name)

"""Causes at the bill: dear requests, no price, a price list with an error, a budget, the books."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.drills import servers
from stack.drills.scene import Scene
from stack.drills.traffic import Asked
from stack.settings import Settings

DEAR = Asked(tokens_in=1900, tokens_out=16)
"""The shortest answers that have a price per 1000 tokens: 237,900 microdollars."""


@contextmanager
def dear_requests(scene: Scene) -> Iterator[None]:
    """Each request costs more per 1000 output tokens than the threshold."""
    with scene.traffic(DEAR, callers=3, pause=0.05):
        scene.begin()
        yield


@contextmanager
def unpriced(scene: Scene) -> Iterator[None]:
    """Requests of a model that the price list does not have."""
    with scene.traffic(Asked(tokens_out=4)):
        scene.begin()
        yield


@contextmanager
def bad_prices(scene: Scene) -> Iterator[None]:
    """The price list is saved with an error in it."""
    file = servers.prices(scene.rig.folder / "server")
    sound = file.read_text(encoding="utf-8")
    file.write_text(sound.replace(servers.PRICE, "    input: free"), encoding="utf-8")
    try:
        scene.begin()
        yield
    finally:
        file.write_text(sound, encoding="utf-8")


@contextmanager
def small_budget(scene: Scene) -> Iterator[None]:
    """A tenant spends more than its budget of the day."""
    with scene.traffic(Asked(tokens_out=64), callers=1, key=servers.SPENDER):
        scene.begin()
        yield


def obstacle(settings: Settings) -> Path:
    """The folder that stands where the scratch file of the server's books would."""
    return _scratch(settings.state / "server" / "ledger.json")


def _scratch(file: Path) -> Path:
    return file.with_name(f"{file.name}.new")


@contextmanager
def unwritable(file: Path) -> Iterator[None]:
    """Nothing can replace the file: a folder stands where its scratch file would."""
    _scratch(file).mkdir()
    try:
        yield
    finally:
        _scratch(file).rmdir()


@contextmanager
def books_not_kept(scene: Scene) -> Iterator[None]:
    """The server's books cannot be written."""
    with unwritable(scene.settings.state / "server" / "ledger.json"):
        scene.begin()
        yield

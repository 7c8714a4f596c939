"""Draws every board from the stores that hold the day, and hands on those that the docs show."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from grafana.pictures import __main__ as pictures
from grafana.pictures import board, evaluate, page
from grafana.pictures.evaluate import Page
from grafana.pictures.stores import Stores
from stack.parts.lineup import LineUp
from stack.request.signals import PROMETHEUS
from stack.stores.running import LOGS, TRACES
from tests.bench.scene.story import SHOWN, SHOWN_LOAD, Span

_SHOWN_IN = ("README.md", "docs/boards.md")
_IMAGE = re.compile(r"images/board-(\w+)\.png")


def draw(runs: LineUp, folder: Path) -> Sequence[Page]:
    """Draw every board into the folder, each with the hour that it is about."""
    from grafana.pictures import picture

    stores = Stores(PROMETHEUS, LOGS[runs.logs](), TRACES[runs.traces]())
    folder.mkdir(parents=True, exist_ok=True)
    pages = []
    for one in board.load():
        span = span_of(one.uid)
        pages.append(evaluate.page(stores, one, span.end, {}, seconds=span.seconds))
        picture.save(pages[-1], folder / page.picture_name(pages[-1]))
    page.write(pages, folder)
    return pages


def span_of(uid: str) -> Span:
    """What a board's picture shows."""
    return SHOWN_LOAD if uid == "llm-loadtest" else SHOWN


def hand_on(pages: Sequence[Page], folder: Path, repo: Path) -> list[Path]:
    """Copy the pictures that the documentation shows to where it looks for them."""
    text = "".join((repo / name).read_text(encoding="utf-8") for name in _SHOWN_IN)
    wanted, images = set(_IMAGE.findall(text)), repo / "docs" / "images"
    made = {Path(page.picture_name(each)).stem: each for each in pages}
    copied = []
    for name in sorted(wanted & set(made)):
        copied.append(images / f"board-{name}.png")
        shutil.copyfile(folder / f"{name}.png", copied[-1])
    return copied


def missing(pages: Sequence[Page]) -> list[str]:
    """What has no data and should have some."""
    return pictures.missing(pages)

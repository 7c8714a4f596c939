"""Causes at the parts: down, gone from the list, killed, slow, coming and going."""

from collections.abc import Iterator
from contextlib import contextmanager

from stack.drills.drill import Cause
from stack.drills.pages import Page, Series, recorded, steady
from stack.drills.scene import Scene

SLOW_SECONDS = 3.2
"""Near the 4 s after which a scrape fails."""


def down(part: str) -> Cause:
    """The part is stopped and stays down."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[None]:
        with scene.hands.stopped(part):
            scene.begin()
            yield

    return cause


def killed(part: str) -> Cause:
    """The part is killed outright, and supervisord starts it again."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[None]:
        scene.hands.kill(part)
        yield

    return cause


def unlisted(job: str) -> Cause:
    """The part runs, but is no longer in Prometheus's targets."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[None]:
        with scene.rig.targets_changed("scrape.yaml", without):
            scene.begin()
            yield

    def without(shipped: str) -> str:
        head, _, tail = shipped.partition(f"labels: {{job: {job}}}\n")
        return head.rpartition("- targets:")[0] + tail

    return cause


@contextmanager
def slow_target(scene: Scene) -> Iterator[None]:
    """A target that needs most of a scrape's time."""
    text = recorded(Series("drill_up", steady(1))).text
    with scene.target(Page(text, delay=SLOW_SECONDS), "drill"):
        yield


@contextmanager
def flapping_target(scene: Scene) -> Iterator[None]:
    """A target of which every third scrape fails."""
    text = recorded(Series("drill_up", steady(1))).text
    with scene.target(Page(text, is_down=lambda number: number % 3 == 2), "drill"):
        yield

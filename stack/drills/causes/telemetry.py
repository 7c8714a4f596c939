"""Causes on the way of spans and log records: the Collector away, its queue full."""

from collections.abc import Iterator
from contextlib import contextmanager

from stack.drills.hands import wait
from stack.drills.scene import Scene
from stack.drills.traffic import Asked

BUSY = Asked(tokens_out=4)
GIVEN_UP_SECONDS = 150.0
"""The server keeps what the Collector does not take for over a minute."""
_GIVEN_UP = 'sum(llm_telemetry_items_total{job="llm-server", result=~"failed|dropped"})'
QUEUE_BYTES = 400_000


@contextmanager
def lost(scene: Scene) -> Iterator[None]:
    """The Collector is away until the server gives up what it holds, then it comes back."""
    before = scene.total(_GIVEN_UP)
    scene.begin()
    with scene.hands.stopped("otel-collector"), scene.traffic(BUSY):
        what = "telemetry that is given up"
        wait(what, lambda: scene.total(_GIVEN_UP) > before, GIVEN_UP_SECONDS)
    # While the Collector counts as down its symptoms are not told: they arrive now.
    yield


@contextmanager
def queue_full(scene: Scene) -> Iterator[None]:
    """The Collector has a small queue, and the store of logs cannot be reached."""
    shipped = scene.settings.repo / "otel-collector" / "collector.yaml"
    text = shipped.read_text(encoding="utf-8")
    small = text.replace("queue_size: 1073741824", f"queue_size: {QUEUE_BYTES}")
    config = scene.rig.folder / "collector.yaml"
    config.write_text(small, encoding="utf-8")
    changed = {
        # Port 9 discards, where it is there at all.
        "LOGS_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "STORAGE_DIR": str(scene.rig.folder / "otel-collector"),
    }
    # The last --config of several wins, key by key.
    with (
        scene.hands.standing_in("otel-collector", changed, f"--config={config}"),
        scene.traffic(BUSY, callers=6, pause=0.0),
    ):
        scene.begin()
        yield

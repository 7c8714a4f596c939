"""The client's clock beside a server whose every moment is known, fifty streams at once."""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path

import gevent
import pytest
from geventhttpclient.client import HTTPClient

from loadtest.generator.exchange import Seen, send
from loadtest.generator.people import CHAT, Ask
from tests.unit.paced import CHUNKS

REPO = Path(__file__).resolve().parents[3]
STREAMS, CLOSE_SECONDS = 50, 0.002


@pytest.fixture
def port() -> Iterator[int]:
    command = [sys.executable, "-m", "tests.unit.paced"]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.terminate()


def ask(port: int) -> Seen:
    client = HTTPClient.from_url(f"http://127.0.0.1:{port}")
    return send(client, Ask(CHAT, b"{}", stream=True), {}, 60.0)


def lags(found: Seen) -> list[float]:
    """How many seconds after it was sent each chunk was stamped."""
    assert found.first_token_ns is not None
    moments = [found.first_token_ns + round(1e9 * gap) for gap in accumulate(found.gaps, initial=0)]
    sent = found.usage["sent_ns"]
    return [(came - left) / 1e9 for came, left in zip(moments, sent, strict=True)]


def test_first_tokens_and_gaps_are_the_servers_within_two_milliseconds(port: int) -> None:
    streams = [gevent.spawn(ask, port) for _ in range(STREAMS)]
    gevent.joinall(streams)
    every = [lags(stream.value) for stream in streams]
    assert [len(each) for each in every] == [CHUNKS] * STREAMS
    # Nothing comes before it was sent, up to a rounded nanosecond a gap.
    assert min(min(each) for each in every) > -1e-6
    # Medians: of a process that is put aside for a while the most says nothing.
    assert statistics.median(each[0] for each in every) < CLOSE_SECONDS
    apart = [abs(b - a) for each in every for a, b in pairwise(each)]
    assert statistics.median(apart) < CLOSE_SECONDS

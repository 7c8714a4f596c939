"""Holds the client's time to first token against the server's, which is a part of it.

The server's time lies inside the client's: it begins when the request has arrived and ends when the
engine has the token, the client's begins before it connects and ends when text has come. So one law
is exact and is held request by request: client >= server. By how much it is more is no error of
either: it is the time that the server cannot see (connecting, the accept queue, its own event loop,
a first token without text, the generator). No bound on it would be true of every load, so it is
told, with its furthest requests, and decides nothing.
"""

from bisect import bisect_left
from collections.abc import Sequence

from loadtest.reconcile import findings
from loadtest.reconcile.findings import Remark, held
from loadtest.reconcile.joined import Joined, number
from loadtest.rows import Row
from server.catalogue.grids import REQUEST_SECONDS

CLOCK_SECONDS = 0.001
"""The generator reads the Unix clock, the server the monotonic one: they may part by so much."""
_FURTHEST = 5
_SERVER = "time_to_first_token_seconds"


def of_first_tokens(requests: Sequence[Joined]) -> list[Remark]:
    """The law, and how far the two are apart."""
    streams = [r for r in requests if r.row.stream and r.row.first_token_ns and not r.was_killed]
    both = [(r.row, r.record) for r in streams]
    every = [(row, number(record.fields, _SERVER)) for row, record in both if record]
    pairs = [(row, _client(row), server) for row, server in every if server is not None]
    wrong = [
        *(f"{row.trace_id} has one only at the client" for row, at in every if at is None),
        *(_case(*pair) for pair in pairs if pair[1] + CLOCK_SECONDS < pair[2]),
    ]
    found = [held("streams whose first token came no sooner than it was made", len(every), wrong)]
    return [*found, _apart(pairs)] if pairs else found


def _client(row: Row) -> float:
    # Not from the intended start: the server cannot know how late the generator was.
    return ((row.first_token_ns or 0) - row.request_start_ns) / 1e9


def _case(row: Row, client: float, server: float) -> str:
    return f"{row.trace_id} {client:.4f} s, server {server:.4f} s"


def _bucket(seconds: float) -> int:
    return bisect_left(REQUEST_SECONDS, seconds)


def _apart(pairs: Sequence[tuple[Row, float, float]]) -> Remark:
    excess = sorted(client - server for _, client, server in pairs)
    near = sum(abs(_bucket(client) - _bucket(server)) <= 1 for _, client, server in pairs)
    median, p99 = (excess[round(q * (len(excess) - 1))] for q in (0.5, 0.99))
    worst = sorted(pairs, key=lambda pair: pair[1] - pair[2], reverse=True)[:_FURTHEST]
    text = (
        f"time to first token at the client is longer by {median * 1000:,.1f} ms (median), "
        f"{p99 * 1000:,.1f} ms (p99), {excess[-1] * 1000:,.1f} ms (most), which the server cannot "
        f"see; {near:,} of {len(pairs):,} in the same or the next bucket; furthest apart"
    )
    return Remark(findings.NOTE, text, tuple(_case(*pair) for pair in worst))

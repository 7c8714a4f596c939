"""The worst exemplar of a selector, from a Prometheus that is whole, odd, slow or gone."""

import contextlib
import socket
import threading
import time

import pytest

from alertmanager import exemplars as exemplars_of_alerts
from alertmanager import worst
from alertmanager.worst import MAX_SELECTOR, UnansweredError, Worst, is_selector, within
from tests.unit.alert_desk import (
    FIRING,
    PATIENCE,
    SELECTOR,
    SPAN,
    TRACE,
    Prometheus,
    exemplar,
    exemplars,
)
from tests.unit.listening import listening

AT = 1795809600.0


@pytest.mark.parametrize(
    "text",
    [
        "up",
        "a:b_total{}",
        SELECTOR,
        'x_bucket{outcome=~"server_error|timeout", le!="+Inf",a!~"b"}',
        'x{ a = "b" , }',
        r'x{model="a\"}\\b{"}',
        'x{model="größer {{ }} sum(rate(y[5m]))"}',
    ],
)
def test_a_plain_selector_is_one(text: str) -> None:
    assert is_selector(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sum(up)",
        "up or down",
        "rate(up[5m])",
        "up[5m]",
        "up offset 5m",
        "up @ 0",
        '{__name__=~".+"}',
        "up{",
        "up}",
        "up{a=b}",
        "up{a='b'}",
        'up{a="b"',
        'up{a="b"} or vector(1)',
        'up{a="b\n"}',
        'up{a="b\\\n"}',
        'up{a="b"}\n',
        'up{a="\x00"}',
        "up # comment",
        "1 + 1",
        f'up{{a="{"b" * MAX_SELECTOR}"}}',
        "up{" + 'a="b",' * 160 + "!",
    ],
)
def test_what_prometheus_would_compute_is_none(text: str) -> None:
    assert not is_selector(text)


def test_the_highest_value_is_found_and_of_equals_the_newest() -> None:
    found = [
        exemplar("0.25", "1" * 32, AT),
        exemplar("2.5", "2" * 32, AT - 10),
        exemplar("2.5", TRACE, AT),
        exemplar("1e-3", "4" * 32, AT),
    ]
    with listening(prometheus := Prometheus(exemplars(*found))) as url:
        one = Worst(url).find(SELECTOR, AT, AT + 60)
    assert one == worst.Exemplar(2.5, AT, TRACE, SPAN)
    (asked,) = prometheus.asked
    assert asked["path"] == "/api/v1/query_exemplars"
    assert (float(asked["start"]), float(asked["end"])) == (AT - 900, AT + 60)


@pytest.mark.parametrize(
    "odd",
    [
        exemplar("NaN"),
        exemplar("+Inf"),
        exemplar("much"),
        exemplar("1", "0" * 32),
        exemplar("1", "../../" + "a" * 26),
        exemplar("1", TRACE.upper()),
        exemplar("1", TRACE + "\n"),
        exemplar("1", 7),
        exemplar("1", at="never"),
        {"labels": {}, "value": "1", "timestamp": AT},
        {"labels": {"trace_id": TRACE, "span_id": 7}, "value": "1", "timestamp": AT},
        {"labels": "x", "value": "1", "timestamp": AT},
        {},
        [],
        None,
        "x",
    ],
)
def test_an_exemplar_that_is_none_is_passed_over(odd: object) -> None:
    with listening(Prometheus(exemplars(odd))) as url:
        assert Worst(url).find(SELECTOR, AT, AT) is None
    with listening(Prometheus(exemplars(odd, exemplar("0.1")))) as url:
        assert Worst(url).find(SELECTOR, AT, AT) == worst.Exemplar(0.1, AT, TRACE, SPAN)


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b"{}", b'{"data":1}', b'{"data":[1]}', b"\xff", b"[" * 100_000]
)
def test_an_answer_that_is_none_is_said_to_be(body: bytes) -> None:
    with (
        listening(Prometheus(body)) as url,
        pytest.raises(UnansweredError, match="something else"),
    ):
        Worst(url).find(SELECTOR, AT, AT)


def test_a_prometheus_that_refuses_is_named() -> None:
    with (
        listening(Prometheus(b"no", status=503)) as url,
        pytest.raises(UnansweredError, match="answered 503"),
    ):
        Worst(url).find(SELECTOR, AT, AT)


def test_nobody_is_followed_elsewhere() -> None:
    with listening(other := Prometheus(exemplars(exemplar("1")))) as elsewhere:
        prometheus = Prometheus(b"", status=302, location=f"{elsewhere}/")
        with listening(prometheus) as url, pytest.raises(UnansweredError, match="answered 302"):
            Worst(url).find(SELECTOR, AT, AT)
    assert other.asked == []


def test_a_prometheus_that_is_gone_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(UnansweredError, match="does not answer"):
        Worst(f"http://127.0.0.1:{port}").find(SELECTOR, AT, AT)


def test_too_many_exemplars_are_asked_for_over_a_shorter_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = exemplars(exemplar("1"))
    monkeypatch.setattr(worst, "MAX_ANSWER_BYTES", len(few))
    with listening(prometheus := Prometheus(few + b" ", few + b" ", few)) as url:
        assert Worst(url).find(SELECTOR, AT, AT + 60) is not None
    ranges = [(float(one["start"]), float(one["end"])) for one in prometheus.asked]
    assert ranges == [(AT - 900, AT + 60), (AT - 900, AT), (AT - 300, AT)]


def test_more_than_can_be_read_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worst, "MAX_ANSWER_BYTES", 8)
    with (
        listening(Prometheus(exemplars())) as url,
        pytest.raises(UnansweredError, match="narrow the selector"),
    ):
        Worst(url).find(SELECTOR, AT, AT)


def drip(listener: socket.socket, asked: list[bytes]) -> None:
    """Answers each question with the head of an answer, and then a space at a time for ever."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_drip, args=(connection, asked), daemon=True).start()


def _drip(connection: socket.socket, asked: list[bytes]) -> None:
    with connection, contextlib.suppress(OSError):
        asked.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" ")
            time.sleep(0.01)


def test_an_answer_that_never_ends_is_left_at_the_deadline() -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener, asked), daemon=True).start()
        asker = Worst(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(UnansweredError, match="does not answer"):
            asker.find(SELECTOR, AT, AT, seconds=0.3)
        assert len(asked) == 1
        # Its turn is another's at once.
        assert all(asker._turns.acquire(blocking=False) for _ in range(worst._AT_ONCE))


def test_one_deadline_holds_for_all_alerts_of_a_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exemplars_of_alerts, "PATIENCE_SECONDS", 0.3)
    alert = {**FIRING, "annotations": {"exemplars": SELECTOR}}
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener, asked), daemon=True).start()
        asker = Worst(f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert exemplars_of_alerts.of_alerts(asker, [alert] * 3) == [None] * 3
        # The one that asked has gone when its time is over: nobody asks for the others behind it.
        asking = [one for one in threading.enumerate() if "within" in one.name]
        for one in asking:
            one.join(PATIENCE)
        assert not any(one.is_alive() for one in asking)
        assert len(asked) == 1
        assert all(asker._turns.acquire(blocking=False) for _ in range(worst._AT_ONCE))


def test_only_so_many_ask_at_once() -> None:
    with listening(Prometheus(exemplars(exemplar("1")))) as url:
        asker = Worst(url)
        while asker._turns.acquire(blocking=False):
            pass
        with pytest.raises(UnansweredError, match="try again"):
            asker.find(SELECTOR, AT, AT)
        asker._turns.release()
        assert asker.find(SELECTOR, AT, AT) is not None
        assert asker.find(SELECTOR, AT, AT) is not None


def test_who_waits_gets_what_came_and_nothing_of_an_error() -> None:
    def fail() -> int:
        raise UnansweredError("no")

    assert within(30, lambda: 7) == 7
    assert within(30, fail) is None

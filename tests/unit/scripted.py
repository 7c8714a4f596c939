"""A server that says what a test wrote down for it, on a loopback port, in threads of its own."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[socket.socket], None]

HEAD = "HTTP/1.1 {} X\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n"


def head(status: int = 200, kind: str = "text/event-stream") -> Say:
    """Status and headers."""
    return lambda connection: connection.sendall(HEAD.format(status, kind).encode())


def chunk(text: str) -> Say:
    """A piece of the body."""
    data = text.encode()
    return lambda connection: connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))


def event(json: str) -> Say:
    """An event of a stream."""
    return chunk(f"data: {json}\n\n")


def pause(seconds: float) -> Say:
    """Nothing for a while."""
    return lambda _: time.sleep(seconds)


def wait(until: threading.Event) -> Say:
    """Nothing until the test says so."""
    return lambda _: until.wait(60) and None


END: Say = lambda connection: connection.sendall(b"0\r\n\r\n")  # noqa: E731
"""The end of the body."""


def read_request(connection: socket.socket) -> bytes:
    """A whole request with a content-length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    headers, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in headers.split(b"\r\n") if line.lower().startswith(b"content-len")]
    size = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < size:
        body += connection.recv(65536)
    return headers + b"\r\n\r\n" + body


@contextmanager
def scripted(*says: Say, times: int = 1) -> Iterator[tuple[str, list[bytes]]]:
    """The server's URL, and the requests that it was sent."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(times):
                connection, _ = server.accept()
                with connection:
                    asked.append(read_request(connection))
                    for say in says:
                        say(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        thread.join(60)

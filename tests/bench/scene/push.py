"""Puts samples and exemplars of the past into Prometheus, by its remote-write protocol.

promtool writes blocks, and blocks hold no exemplars.
"""

import struct
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from stack.errors import Fault
from stack.request.signals import PROMETHEUS
from tests.bench.day_series import Labels

FLAG = "--web.enable-remote-write-receiver"
_URL = f"{PROMETHEUS}/api/v1/write"
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_MOST_BYTES = 2 * 2**20
_CHUNK = 65_536
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Series:
    """What is to be sent of one series: samples in their order, and exemplars."""

    labels: bytes
    samples: list[bytes] = field(default_factory=list)
    exemplars: list[bytes] = field(default_factory=list)


def varint(number: int) -> bytes:
    """Protobuf's integers."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    """A field that holds bytes."""
    return bytes((number << 3 | 2,)) + varint(len(content)) + content


def _label(name: str, value: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, value.encode()))


def _labels(name: str, labels: Labels) -> bytes:
    # What is empty is the same as absent, and the protocol wants it so.
    known = sorted({**{key: value for key, value in labels if value}, "__name__": name}.items())
    return b"".join(_label(*each) for each in known)


def snappy(content: bytes) -> Iterator[bytes]:
    """Snappy's block format without compressing anything: it is for the loopback."""
    yield varint(len(content))
    for start in range(0, len(content), _CHUNK):
        chunk = content[start : start + _CHUNK]
        yield b"\xf4" + struct.pack("<H", len(chunk) - 1) + chunk


def post(content: bytes) -> None:
    """Have Prometheus take a request; raises Fault with its words."""
    request = urllib.request.Request(_URL, b"".join(snappy(content)), _HEADERS)
    try:
        _OPENER.open(request).close()
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace").strip()
        raise Fault(f"Prometheus refused samples: {said[-300:]}") from error


class Pusher:
    """Collects what was scraped, and sends it when there is enough of it."""

    def __init__(self, take: Callable[[bytes], None] | None = None) -> None:
        self._take = take or post
        self._series: dict[tuple[str, Labels], Series] = {}
        self._known: dict[tuple[str, Labels], bytes] = {}
        self._bytes = 0
        self.samples = 0
        self.exemplars = 0

    def _of(self, name: str, labels: Labels) -> Series:
        key = name, labels
        found = self._series.get(key)
        if found is None:
            if key not in self._known:
                self._known[key] = _labels(name, labels)
            found = self._series[key] = Series(self._known[key])
            self._bytes += len(found.labels)
        return found

    def add(self, name: str, labels: Labels, value: float, moment: float) -> None:
        """One sample, at Unix seconds."""
        number = b"\x09" + struct.pack("<d", value) + b"\x10" + varint(round(moment * 1000))
        self._of(name, labels).samples.append(_field(2, number))
        self._bytes += len(number)
        self.samples += 1

    def exemplar(
        self, name: str, labels: Labels, told: Mapping[str, str], value: float, moment: float
    ) -> None:
        """An exemplar of a series that has a sample."""
        number = b"\x11" + struct.pack("<d", value) + b"\x18" + varint(round(moment * 1000))
        named = b"".join(_label(*each) for each in sorted(told.items()))
        self._of(name, labels).exemplars.append(_field(3, named + number))
        self.exemplars += 1

    def send(self, *, all_of_it: bool = True) -> None:
        """Send what there is, or leave it until there is enough."""
        if self._bytes < _MOST_BYTES and not all_of_it:
            return
        if self._series:
            self._take(b"".join(_request(self._series.values())))
        self._series, self._bytes = {}, 0


def _request(every: Iterable[Series]) -> Iterator[bytes]:
    for one in every:
        yield _field(1, b"".join((one.labels, *one.samples, *one.exemplars)))

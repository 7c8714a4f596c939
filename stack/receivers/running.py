"""The Alertmanager that runs: make it read its configuration anew, and count what it delivered."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stack.errors import Fault
from stack.http import answered

URL = "http://127.0.0.1:9093"
_SAMPLE = re.compile(r"alertmanager_notification_(requests|requests_failed)_total\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def reload() -> None:
    """Make Alertmanager read its file; raises Fault with its words when it keeps the old one."""
    status, said = answered(f"{URL}/-/reload", b"", timeout=15.0)
    if status != 200:
        fix = "see `make logs PART=alertmanager`"
        raise Fault(f"Alertmanager keeps its old receivers: {said.strip()[:300]}", fix)


@dataclass(frozen=True)
class Count:
    """Attempts to reach a receiver, and how many of them failed."""

    tried: float = 0.0
    failed: float = 0.0

    def since(self, before: "Count") -> "Count":
        """What came to it since; a reload starts Alertmanager's counters anew."""
        if self.tried < before.tried:
            return self
        return Count(self.tried - before.tried, self.failed - before.failed)


def counts() -> Mapping[str, Count]:
    """Every receiver's counters by its name; raises Fault when Alertmanager does not answer."""
    status, text = answered(f"{URL}/metrics")
    if status != 200:
        raise Fault(f"Alertmanager does not answer: {text[:200]}", "is it up? `make status`")
    return read_counts(text)


def read_counts(text: str) -> dict[str, Count]:
    """The counters in the text of /metrics."""
    found: dict[str, dict[str, float]] = {}
    for kind, labels, value in _SAMPLE.findall(text):
        name = dict(_LABEL.findall(labels)).get("receiver_name", "")
        row = found.setdefault(name, {})
        row[kind] = row.get(kind, 0.0) + float(value)
    return {
        name: Count(row.get("requests", 0.0), row.get("requests_failed", 0.0))
        for name, row in found.items()
        if name
    }

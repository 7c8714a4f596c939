"""How `make ask` words what it found, within 100 columns."""

import datetime
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

from stack.request.chat import Answer
from stack.request.signals import Exemplar
from stack.say import paint
from stack.stores.protocol import LogRecord

WIDTH = 96
_FINISHED = {
    "outcome": "",
    "reason": "",
    "status_code": "",
    "operation": "",
    "duration_seconds": " s",
    "time_to_first_token_seconds": " s to first token",
    "output_tokens": " tokens out",
    "tenant": "",
}


class Writer:
    """Prints streamed text as it arrives, folded and without control characters."""

    def __init__(self) -> None:
        self._column = 0

    def write(self, text: str) -> None:
        """Print one piece at once."""
        for letter in text:
            self._put(letter)
        sys.stdout.flush()

    def _put(self, letter: str) -> None:
        if letter == "\n" or self._column >= WIDTH:
            self.close()
        if letter == "\n":
            return
        if not self._column:
            sys.stdout.write("  ")
        # A model may print anything: nothing but visible characters reaches the terminal.
        sys.stdout.write(letter if letter.isprintable() else "·")
        self._column += 1

    def close(self) -> None:
        """End the line that is open."""
        if self._column:
            sys.stdout.write("\n")
        self._column = 0


def count(number: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ending(answer: Answer) -> str:
    """How the request ended on the client's clock."""
    if answer.error:
        return paint(f"HTTP {answer.status}: {answer.error}"[:WIDTH], "red")
    first = f"first token {answer.first_token:.3f} s" if answer.first_token else "no token"
    tokens = answer.usage.get("completion_tokens", "?")
    ended = f"{answer.finish_reason or 'end'} after {tokens} tokens"
    return paint(f"[{ended}, {first}, {answer.seconds:.3f} s in all]", "dim")


def _moment(unix_seconds: float) -> str:
    local = datetime.datetime.fromtimestamp(unix_seconds)
    return local.strftime("%H:%M:%S.%f")[:-3]


def _value(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _details(record: LogRecord) -> str:
    if record.event != "request_finished":
        return record.text
    chosen = [(record.fields.get(key), unit) for key, unit in _FINISHED.items()]
    told = [f"{_value(value)}{unit}" for value, unit in chosen if value is not None]
    return f"{record.event}  {' · '.join(told)}"


def log_rows(record: LogRecord) -> list[str]:
    """One log record, folded under its time and level."""
    level = str(record.fields.get("level", "")).lower()
    head = f"{_moment(record.time_ns / 1e9)} {level:<7} "
    folded = textwrap.wrap(_details(record), WIDTH - len(head)) or [""]
    return [head + folded[0], *(" " * len(head) + row for row in folded[1:])]


def exemplar(found: Exemplar, trace_id: str) -> str:
    """The exemplar, or that a newer request took its place before it was scraped."""
    where = f'bucket le="{found.le}"'
    if found.trace_id == trace_id:
        return f"{where}  {found.value:.3f} s at {_moment(found.at)}  trace_id={trace_id}"
    return (
        f"{where} keeps one exemplar a scrape; a newer request's took its place: {found.trace_id}"
    )


def cost(line: Mapping[str, Any]) -> str:
    """Tokens and microdollars, with what 1000 output tokens cost at that rate."""
    total, tokens = line.get("cost_microdollars"), line.get("input_tokens") or 0
    cached, out = line.get("cached_input_tokens") or 0, line.get("output_tokens") or 0
    used = f"{tokens - cached} tokens in + {cached} cached + {out} out"
    if total is None:
        return f"{used} = no price: add the model to server/prices.yaml"
    per_1k = f"  (${total / out / 1000:.4f} per 1000 out)" if out else ""
    return f"{used} = {_money(total)}{per_1k}"


def device_cost(line: Mapping[str, Any]) -> str:
    """Seconds of the device and microdollars, or what to do where they are not known."""
    seconds, total = line.get("gpu_seconds"), line.get("gpu_cost_microdollars")
    if seconds is None:
        return "not known: `make logs PART=server` says why device time is not accounted for"
    used = f"{seconds:.3f} s, its share of the engine's steps"
    if total is None:
        return f"{used} = no price: add the device to server/prices.yaml"
    return f"{used} = {_money(total)}"


def _money(microdollars: float) -> str:
    return f"{microdollars:.3f} µ$ = ${microdollars / 1e6:.8f}"

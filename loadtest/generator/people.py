"""What people do with a server: each kind of visit, its prompts seeded and made here."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
WORDS = (
    "server", "request", "token", "cache", "queue", "batch", "model", "prompt", "answer", "trace",
    "metric", "budget", "tenant", "latency", "decode", "prefill", "import", "return", "yield",
)  # fmt: skip
NO_SUCH_MODEL = "no-such-model"
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    },
}


@dataclass(frozen=True)
class Ask:
    """One request: `expected` are the statuses that it provokes.

    The client hangs up after `chunks` of a stream, or `seconds` without an answer. It thinks for
    `pause` seconds before it asks, where it has asked before.
    """

    path: str
    body: bytes
    stream: bool = False
    expected: frozenset[int] = frozenset({200})
    chunks: int | None = None
    seconds: float | None = None
    pause: float = 0.0


@dataclass(frozen=True)
class Visit:
    """What one arrival does: requests one after the other, with one key.

    `model` is empty where it is the run's.
    """

    name: str
    kind: str
    asks: tuple[Ask, ...]
    tenant: str = ""
    key: str = field(default="", repr=False)
    model: str = ""


def _length(tokens: int) -> dict[str, int]:
    """Around so many tokens, of a model that ends by itself; cut short is who goes on for long."""
    return {"min_tokens": tokens // 2, "max_tokens": tokens + 200}


@dataclass(frozen=True)
class Maker:
    """Makes the asks of a visit from its own dice."""

    model: str
    dice: random.Random

    def text(self, median: float, sigma: float = 0.8, most: int = 700) -> str:
        """Words, as many as a lognormal draw with that median says."""
        count = round(median * self.dice.lognormvariate(0.0, sigma))
        return " ".join(self.dice.choices(WORDS, k=max(1, min(most, count))))

    def tokens(self, median: float, most: int = 800) -> int:
        """Output tokens that are wanted, lognormal with that median."""
        return max(2, min(most, round(median * self.dice.lognormvariate(0.0, 0.6))))

    def chat(self, text: str, tokens: int, stream: bool, **fields: Any) -> Ask:
        """One chat message."""
        return self.messages([{"role": "user", "content": text}], tokens, stream, **fields)

    def messages(
        self, messages: list[dict[str, Any]], tokens: int, stream: bool, **fields: Any
    ) -> Ask:
        """A chat request with these messages."""
        body = {"messages": messages, **_length(tokens), **fields}
        return Ask(CHAT, self._body(body, stream), stream)

    def completion(self, text: str, tokens: int, stream: bool) -> Ask:
        """One completion."""
        return Ask(COMPLETIONS, self._body({"prompt": text, **_length(tokens)}, stream), stream)

    def _body(self, body: dict[str, Any], stream: bool) -> bytes:
        usage = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        return json.dumps({"model": self.model, **body, **usage}).encode()


def _conversation(make: Maker) -> tuple[Ask, ...]:
    # Every turn begins with all that was said before: the prefix cache serves it.
    start = f"You help with {make.text(60)}."
    messages: list[dict[str, Any]] = [{"role": "system", "content": start}]
    asks = []
    for turn in range(make.dice.randint(2, 4)):
        messages = [*messages, {"role": "user", "content": make.text(12)}]
        ask = make.messages(messages, make.tokens(40, 120), stream=True)
        asks.append(replace(ask, pause=make.dice.uniform(0.2, 1.5) if turn else 0.0))
        messages = [*messages, {"role": "assistant", "content": make.text(20)}]
    return tuple(asks)


def _agent(make: Maker) -> tuple[Ask, ...]:
    word, call = make.text(1), f"call_{make.dice.randrange(10**8)}"
    tools: dict[str, Any] = {"tools": [TOOL], "tool_choice": "none"}
    first: list[dict[str, Any]] = [{"role": "user", "content": make.text(20)}]
    function = {"name": "look_up", "arguments": json.dumps({"word": word})}
    called = {"id": call, "type": "function", "function": function}
    done = [
        *first,
        {"role": "assistant", "content": "", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": call, "content": make.text(30)},
    ]
    return (
        make.messages(first, make.tokens(20, 60), stream=False, **tools),
        make.messages(done, make.tokens(40, 120), stream=True, **tools),
    )


def _hang_up(make: Maker) -> tuple[Ask, ...]:
    if make.dice.random() < 0.4:
        ask = make.chat(make.text(10), 400, stream=False)
        return (replace(ask, seconds=make.dice.uniform(0.1, 0.8)),)
    ask = make.chat(make.text(10), 400, stream=True)
    return (replace(ask, chunks=make.dice.randint(1, 60)),)


def _rubbish(make: Maker) -> tuple[Ask, ...]:
    good = make.chat(make.text(8), 16, stream=False)
    wrong = {"model": NO_SUCH_MODEL, "messages": [{"role": "user", "content": "hi"}]}
    too_few = {"model": make.model, "prompt": "hi", "max_tokens": -1}
    bodies = (
        (CHAT, b"{", 400),
        (CHAT, json.dumps(wrong).encode(), 404),
        (COMPLETIONS, json.dumps(too_few).encode(), 400),
    )
    path, body, status = make.dice.choice(bodies)
    return (replace(good, path=path, body=body, expected=frozenset({status})),)


PEOPLE: dict[str, tuple[int, Callable[[Maker], tuple[Ask, ...]]]] = {
    "chat": (20, lambda m: (m.chat(m.text(20), m.tokens(40, 200), stream=False),)),
    "streaming chat": (26, lambda m: (m.chat(m.text(20), m.tokens(40, 200), stream=True),)),
    "completion": (12, lambda m: (m.completion(m.text(30), m.tokens(30, 200), stream=False),)),
    "long document": (8, lambda m: (m.completion(m.text(450, 0.3), m.tokens(8, 20), stream=True),)),
    "essay": (8, lambda m: (m.chat(m.text(8), m.tokens(250), stream=True),)),
    "conversation": (8, _conversation),
    "agent": (4, _agent),
    "hang up": (8, _hang_up),
    "rubbish": (6, _rubbish),
}
"""Each kind of visit: how often it comes in a hundred, and what it asks."""


def visit(
    number: int, stage: int, seed: int, model: str, keys: tuple[tuple[str, str], ...]
) -> Visit:
    """What arrival `number` of a stage does, the same in every run with this seed."""
    dice = random.Random(f"{seed}/{stage}/{number}")
    kind = dice.choices(list(PEOPLE), [weight for weight, _ in PEOPLE.values()])[0]
    asks = PEOPLE[kind][1](Maker(model, dice))
    tenant, key = dice.choice(keys) if keys else ("", "")
    return Visit(f"{stage}/{number}", kind, asks, tenant, key)

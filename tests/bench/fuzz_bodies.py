"""Request bodies out of vLLM's own schemas, then made hostile; the same seed makes the same."""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vllm.entrypoints.anthropic.protocol import AnthropicMessagesRequest
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest

from server.gateway.routes import MESSAGES as ANTHROPIC
from server.gateway.routes import RESPONSES

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
SCHEMAS = {
    CHAT: ChatCompletionRequest,
    COMPLETIONS: CompletionRequest,
    RESPONSES: ResponsesRequest,
    ANTHROPIC: AnthropicMessagesRequest,
}
MESSAGES = [{"role": "user", "content": "Count to three."}]
MAX_TOKENS, MAX_DEPTH = 6, 3
GRAMMAR = {"grammar": 'root ::= "a" | "b"'}

# What has killed an engine, each by name and in this order: a malformed grammar does it only after
# a sound one (vllm#43920), an empty constraint alone (vllm#45346), a large n by its sheer number.
KILLERS: dict[str, dict[str, Any]] = {
    "json_object false": {"structured_outputs": {"json_object": False}},
    "json empty": {"structured_outputs": {"json": ""}},
    "a sound grammar": {"structured_outputs": GRAMMAR},
    "a malformed grammar after it": {"structured_outputs": {"grammar": "root ::= ((("}},
    "a rule twice": {"structured_outputs": {"grammar": 'root ::= "a"\nroot ::= "b"'}},
    "a rule of itself": {"structured_outputs": {"grammar": "root ::= root"}},
    "rules in a circle": {"structured_outputs": {"grammar": "root ::= a\na ::= b\nb ::= a"}},
    "a regex of another backend": {"structured_outputs": {"regex": "^(|.*)$"}},
    "a regex that explodes": {"structured_outputs": {"regex": "(([a-z]{1,999}){1,999}){1,999}"}},
    "a schema that nests": {"structured_outputs": {"json": '{"a":' * 60 + "{}" + "}" * 60}},
    "a schema of itself": {"structured_outputs": {"json": {"$ref": "#"}}},
    "n above vLLM's bound": {"n": 100_000},
    "n above vLLM's bound by one": {"n": 16_385},
    "many answers": {"n": 256, "max_tokens": 1},
    "prompts x n above our bound": {"n": "17", "prompt": ["a"] * 1024},
    "a bias outside of the vocabulary": {"logit_bias": {"99999999": 1.0}},
    "a stop token outside of it": {"stop_token_ids": [99_999_999], "min_tokens": 2},
    "every logprob of the prompt": {"prompt_logprobs": -1},
    "logprobs above the bound": {"logprobs": True, "top_logprobs": 10**6},
    "temperature NaN": {"temperature": math.nan},
    "temperature infinite": {"temperature": math.inf},
    "a seed of 70 bits": {"seed": 2**70},
    "a truncation of 70 bits": {"truncate_prompt_tokens": 2**70},
    "a negative truncation": {"truncate_prompt_tokens": -5},
    "lone surrogates": {"messages": [{"role": "user", "content": "\ud800"}], "prompt": "\ud800"},
    "bad words": {"bad_words": ["", " ", "\ud800"]},
}  # fmt: skip
HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, 0.5, -0.0, 1e308, math.nan, math.inf, "", "x",
    "1", "true", "\ud800", "\x00", "🦙" * 20, [], [None], [[]], {}, {"": None}, ["x"] * 50,
    [-1, 2**63], {"type": "json_object"}, {"type": "json_schema"}, {"json_object": False},
]  # fmt: skip
NAMES = ["", None, "no-such-model", 5, ["x"], "\ud800"]


@dataclass(frozen=True)
class Body:
    """One request to send; `name` says how it was made."""

    name: str
    path: str
    content: bytes


def killers(model: str) -> Iterator[Body]:
    """The bodies that have killed an engine, on every route that generates."""
    for path in SCHEMAS:
        for name, fields in KILLERS.items():
            yield Body(name, path, json.dumps({**_plain(path, model), **fields}).encode())


def _plain(path: str, model: str) -> dict[str, Any]:
    asked: dict[str, Any] = {"messages": MESSAGES, "max_tokens": MAX_TOKENS}
    if path == COMPLETIONS:
        asked = {"prompt": "a b c", "max_tokens": MAX_TOKENS}
    elif path == RESPONSES:
        asked = {"input": "a b c", "max_output_tokens": MAX_TOKENS}
    return {"model": model, **asked}


class Bodies:
    """An endless stream of bodies."""

    def __init__(self, seed: int, model: str) -> None:
        self._dice = random.Random(seed)
        self._model = model
        self._schemas = {path: asked.model_json_schema() for path, asked in SCHEMAS.items()}

    def __iter__(self) -> Iterator[Body]:
        while True:
            yield self._one()

    def _one(self) -> Body:
        path = self._dice.choice(list(SCHEMAS))
        fields = self._fields(path)
        hostile = self._dice.choice([0, 0, 1, 1, 2, 5])
        for name in self._dice.sample(sorted(self._schemas[path]["properties"]), hostile):
            fields[name] = self._dice.choice(HOSTILE)
        name, content = self._encode(fields)
        return Body(f"{hostile} hostile fields, {name}", path, content)

    def _fields(self, path: str) -> dict[str, Any]:
        schema = self._schemas[path]
        properties: dict[str, Any] = schema["properties"]
        chosen = self._dice.sample(sorted(properties), self._dice.randint(0, 6))
        fields = {name: self._value(properties[name], schema, 0) for name in chosen}
        # Few tokens each: the bench is about bodies, not about the speed of a model.
        fields |= _plain(path, self._model)
        if path in (CHAT, COMPLETIONS):
            fields["n"] = self._dice.choice([1, 1, 1, 2, 3])
        fields["stream"] = self._dice.choice([True, False, False, 0, 1, "true"])
        if self._dice.random() < 0.1:
            fields["model"] = self._dice.choice(NAMES)
        return fields

    def _value(self, schema: dict[str, Any], root: dict[str, Any], depth: int) -> Any:
        """A value that the schema allows, as far as a few of its words go."""
        if "$ref" in schema:
            return self._value(root["$defs"][schema["$ref"].split("/")[-1]], root, depth)
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._value(self._dice.choice(options), root, depth)
        if "const" in schema or "enum" in schema:
            return self._dice.choice(schema.get("enum") or [schema["const"]])
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema, root, depth)
        if kind == "array":
            items = schema.get("items", {})
            count = 0 if depth > MAX_DEPTH else self._dice.randint(0, 2)
            return [self._value(items, root, depth + 1) for _ in range(count)]
        return self._scalar(kind, schema)

    def _object(self, schema: dict[str, Any], root: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        names = list(schema.get("required", ()))
        if depth <= MAX_DEPTH:
            names += self._dice.sample(sorted(properties), min(2, len(properties)))
        found = {n: self._value(properties.get(n, {}), root, depth + 1) for n in names}
        return found or {"x": self._dice.choice(["y", 1])}

    def _scalar(self, kind: str | None, schema: dict[str, Any]) -> Any:
        low, high = schema.get("minimum", 0), schema.get("maximum", 9)
        low, high = max(low, -(2**31)), min(high, 2**31)
        made = {
            "integer": self._dice.randint(int(low), max(int(low), int(high))),
            "number": self._dice.uniform(low, max(low, high)),
            "string": self._dice.choice(["", "a", "b c", "ü", "[0-9]+", "{}"]),
            "boolean": self._dice.random() < 0.5,
            "null": None,
        }
        return made[kind] if kind in made else self._dice.choice(list(made.values()))

    def _encode(self, fields: dict[str, Any]) -> tuple[str, bytes]:
        pairs = list(fields.items())
        self._dice.shuffle(pairs)
        how = self._dice.choice(
            ["plain"] * 6 + ["twice", "BOM", "UTF-16", "UTF-32", "nested", "cut"]
        )
        if how == "twice":
            pairs.append(self._dice.choice(pairs))
        text = "{" + ", ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in pairs) + "}"
        if how == "nested":
            depth = self._dice.choice([50, 900, 50_000])
            text = text[:-1] + ', "x": ' + "[" * depth + "]" * depth + "}"
        if how == "cut":
            return how, text.encode()[: self._dice.randint(0, len(text))]
        encodings = {"BOM": "utf-8-sig", "UTF-16": "utf-16", "UTF-32": "utf-32"}
        return how, text.encode(encodings.get(how, "utf-8"))

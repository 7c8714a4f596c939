"""Ours beside OpenTelemetry's conventions: name by name, and why where they differ."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from server.catalogue.grids import REQUEST_SECONDS, TOKEN_SECONDS

READ_IN = "OpenTelemetry's conventions for generative AI, v0.1.0 (semconv 1.45.0)"
NUMBERS = "as the engine was asked, vLLM's defaults included; absent of a beam search"
NOT_TOLD = "not recorded: vLLM's engine does not count them apart"
COUNTED = "can be `llm.usage.*` instead, [see below](#tokens-counted-twice)"
CALLERS_TEXT = "never recorded: a caller's text"


@dataclass(frozen=True, slots=True)
class Row:
    """One name of the convention; `ours` is empty where we record no such thing.

    `kind` is the value's type, or the instrument of a metric; `level` how much the convention asks
    for it, C where it does so under a condition.
    """

    name: str
    kind: str
    level: str
    ours: str
    note: str = ""


def _same(name: str, kind: str, level: str, note: str = "") -> Row:
    return Row(name, kind, level, name, note)


SPAN: tuple[Row, ...] = (
    _same(
        "gen_ai.operation.name",
        "string",
        "required",
        "absent where no model runs; `rerank`, `score`, `pooling` and `classify`, which the list "
        "has not",
    ),
    _same("gen_ai.provider.name", "string", "required", "`vllm`, which the list has not"),
    _same(
        "gen_ai.request.model",
        "string",
        "C",
        "a bounded label: what the engine ran, `other` for what is not served",
    ),
    _same("gen_ai.request.stream", "bool", "C", "true or false, never absent"),
    _same("gen_ai.request.max_tokens", "int", "recommended", NUMBERS),
    _same("gen_ai.request.temperature", "double", "recommended", NUMBERS),
    _same("gen_ai.request.top_p", "double", "recommended", NUMBERS),
    _same("gen_ai.request.top_k", "double", "C", f"{NUMBERS}, and where it is off"),
    _same("gen_ai.request.seed", "int", "C", NUMBERS),
    _same("gen_ai.request.choice.count", "int", "C", f"{NUMBERS}, and where it is 1"),
    _same("gen_ai.request.frequency_penalty", "double", "recommended", NUMBERS),
    _same("gen_ai.request.presence_penalty", "double", "recommended", NUMBERS),
    Row("gen_ai.request.stop_sequences", "string[]", "recommended", "", CALLERS_TEXT),
    Row("gen_ai.output.type", "string", "C", "", "not recorded: the engine is not told"),
    Row("gen_ai.conversation.id", "string", "C", "", "not recorded: no route knows one"),
    _same(
        "gen_ai.response.id",
        "string",
        "recommended",
        "absent of embeddings, whose id vLLM invents after the engine",
    ),
    _same("gen_ai.response.model", "string", "recommended", "absent where nothing ran"),
    _same("gen_ai.response.finish_reasons", "string[]", "recommended"),
    Row(
        "gen_ai.response.time_to_first_chunk",
        "double",
        "recommended",
        "",
        "the caller's to measure; ours, at the engine, is the log field "
        "`time_to_first_token_seconds`",
    ),
    _same(
        "gen_ai.usage.input_tokens",
        "int",
        "recommended",
        COUNTED,
    ),
    _same("gen_ai.usage.cache_read.input_tokens", "int", "recommended", COUNTED),
    _same("gen_ai.usage.output_tokens", "int", "recommended", f"made, delivered or not; {COUNTED}"),
    Row("gen_ai.usage.cache_write.input_tokens", "int", "recommended", "", NOT_TOLD),
    _same(
        "gen_ai.usage.reasoning.output_tokens",
        "int",
        "recommended",
        "among the output tokens; of a whole answer of a server with a reasoning parser; "
        f"{COUNTED}",
    ),
    Row("gen_ai.input.messages", "any", "opt-in", "", CALLERS_TEXT),
    Row("gen_ai.output.messages", "any", "opt-in", "", "never recorded: the answer's text"),
    Row("gen_ai.system_instructions", "any", "opt-in", "", CALLERS_TEXT),
    Row("gen_ai.tool.definitions", "any", "opt-in", "", CALLERS_TEXT),
    _same(
        "error.type",
        "string",
        "C",
        "the exception's class of a `server_error`, otherwise the reason",
    ),
    _same("http.request.method", "string", "required", "as it was sent"),
    _same("http.route", "string", "C", "one of ours, `other` for every other path"),
    _same("http.response.status_code", "int", "C"),
    _same("url.path", "string", "required", "absent where it is no route of ours: a path is text"),
    _same("url.scheme", "string", "required", "absent of a killed process's requests"),
    Row("url.query", "string", "C", "", CALLERS_TEXT),
    _same(
        "server.address",
        "string",
        "recommended",
        "of our socket: the `Host` header is the caller's text",
    ),
    _same("server.port", "int", "C", "of our socket"),
    Row("client.address", "string", "recommended", "", "never recorded: it names a person"),
    Row("user_agent.original", "string", "recommended", "", CALLERS_TEXT),
)
"""Attributes of a SERVER span; a phase's span has only `llm.phase.complete`."""

METRICS: tuple[Row, ...] = (
    Row(
        "gen_ai.server.request.duration",
        "histogram",
        "recommended",
        "gen_ai_server_request_duration_seconds",
        "every request, refused ones included: `outcome` tells them apart",
    ),
    Row(
        "gen_ai.server.time_to_first_token",
        "histogram",
        "recommended",
        "gen_ai_server_time_to_first_token_seconds",
        "the convention counts successful responses only; ours counts each request that had a "
        "first token, or callers who gave up waiting would make the server look faster",
    ),
    Row(
        "gen_ai.server.time_per_output_token",
        "histogram",
        "recommended",
        "gen_ai_server_time_per_output_token_seconds",
        "aborted and failed requests included, for the same reason",
    ),
)
LABELS: tuple[Row, ...] = (
    Row("gen_ai.request.model", "string", "C", "model", "bounded; `other` for the rest"),
    Row(
        "gen_ai.operation.name",
        "string",
        "required",
        "operation",
        "on `llm_requests_total` only: on a histogram it doubles every edge "
        "([decision 6](decisions/0006-labels-that-multiply.md))",
    ),
    Row("gen_ai.provider.name", "string", "required", "", "would be `vllm` on every series"),
    Row(
        "error.type",
        "string",
        "C",
        "outcome",
        "five outcomes, and on `llm_requests_total` their reasons: an abort is a 200 and no error",
    ),
    Row("gen_ai.response.model", "string", "recommended", "", "`model` is what the engine ran"),
    Row("server.address", "string", "recommended", "", "the scrape's `instance`"),
    Row("server.port", "int", "C", "", "the scrape's `instance`"),
)
"""Attributes of the convention's three metrics, and the labels of ours."""

HEAD = f"""# Ours beside the convention

Generated from `server/catalogue/conventions.py` by `python -m server.catalogue`; do not edit. The
convention is {READ_IN}, whose names
are all in development, and HTTP's, which are stable. `tests/unit/catalogue/test_conventions.py`
holds the server to every row. All names on the wire, with those that are only ours (`llm.*`,
`llm_*`), stand in `tests/unit/names.yaml`, and a change of one in the [changelog](../CHANGELOG.md).
"""
TWICE = """## Tokens counted twice

A caller that is instrumented has a CLIENT span with the same `gen_ai.usage.*`, above ours: a
backend that adds up the spans of a trace counts each token twice. With
`LLM_SERVER_CALLERS_COUNT_TOKENS=1` a request that came with a `traceparent` has its counts under
`llm.usage.*` only (`input_tokens`, `cache_read.input_tokens`, `output_tokens`,
`reasoning.output_tokens`), which nobody adds up; requests without one keep `gen_ai.usage.*`. A
parent does not say whether it counts (a proxy's does not), so it is off by default. Metrics, cost
and log records are the same either way.
"""
ALIASES = """## Boards made for the convention

They group by the convention's labels, which ours lack. `prometheus/optional/genai-semconv.yaml`
records the three metrics once more, under the same names with `job="genai-semconv"` and the labels
`gen_ai_request_model`, `gen_ai_provider_name` and, where the outcome is not `ok`, `error_type`. It
is not loaded by default, since it doubles these series. In this stack copy it into
`prometheus/rules/`, in your own Prometheus name it in `rule_files`; then restart. What to know:

- A board has to ask for `job="genai-semconv"`, or it adds the originals to them. Whatever asks for
  `job="llm-server"`, as all of ours do, sees none of them; `make check` holds that.
- A recorded series has no exemplars: no dot of such a board leads to a trace.
- They are up to 30 s behind (evaluation and its offset), and begin when the file is loaded.
- There is no `gen_ai_operation_name` (no histogram has it), `gen_ai_response_model`,
  `server_address` or `server_port`: they are not invented. What differs in meaning is in the
  tables above.
"""
METRICS_HEAD = """## Beside the convention

The first three metrics have the names of OpenTelemetry's convention and differ from it on purpose.
A dashboard made for the convention groups by labels that ours call otherwise. Span attributes:
[conventions.md](conventions.md).
"""
ON_PURPOSE = """- Edges: the convention's end at 81.92 s (duration), 10 s (first token) and
  2.5 s (per token), and a quantile above the last edge *is* that edge. The deadline is 600 s and a
  queue is longer than 10 s, so ours end at {request:g} s and {token:g} s, close enough in between
  for what [quantiles.md](quantiles.md) promises.
- Failed requests: time to first token and per output token count those that failed or were aborted
  after their first token. The convention's are of successful responses: callers who give up on
  slow answers would make the server look faster.
- The convention has no metric for a server's queue, KV cache, tokens or cost: ours are `llm_*`,
  vLLM's `vllm:*`.
"""


def table(rows: Iterable[Row], what: str) -> Iterator[str]:
    """The rows as a table whose first column is called `what`."""
    yield f"| {what} | type | asked for | ours | |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        ours = "the same" if row.ours == row.name else f"`{row.ours}`" if row.ours else "none"
        level = "under a condition" if row.level == "C" else row.level
        yield f"| `{row.name}` | {row.kind} | {level} | {ours} | {row.note} |"
    yield ""


def page() -> str:
    """The whole page, docs/conventions.md."""
    parts = (
        HEAD, "## Attributes of a SERVER span\n", *table(SPAN, "attribute"),
        "## Metrics\n", *table(METRICS, "metric"),
        "## Labels of these metrics\n", *table(LABELS, "attribute"),
        "Edges of their histograms, and why: [metrics.md](metrics.md#beside-the-convention).\n",
        TWICE, ALIASES.rstrip(),
    )  # fmt: skip
    return "\n".join(parts) + "\n"


def differences() -> Iterator[str]:
    """The chapter of docs/metrics.md that says where its names promise something else."""
    yield METRICS_HEAD
    yield from table(METRICS, "metric")
    yield from table(LABELS, "attribute")
    yield ON_PURPOSE.format(request=REQUEST_SECONDS[-1], token=TOKEN_SECONDS[-1])

"""The servers that are compared: ours as the stack runs it, and stock vLLM with the same flags."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from stack.errors import Fault
from stack.native import family, orphans
from stack.readiness import ports
from tests.conftest import REPO

START_SECONDS, END_SECONDS = 300.0, 60.0
OURS, STOCK, TRACED = "ours", "stock", "stock, traced"
"""With everything on; with its metrics on; with its own OTLP tracing as well."""
_OURS_ALONE = ("LLM_SERVER_", "OTEL_")
TRACES = {
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    "OTEL_SERVICE_NAME": "vllm-stock",
    # As ours: within the tail of a turn.
    "OTEL_BSP_SCHEDULE_DELAY": "1000",
}


@dataclass(frozen=True)
class Server:
    """One that serves: where, and by which processes."""

    name: str
    url: str
    model: str
    tokenizer: str
    api: int
    core: int


def _variables(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]


def ours(pid: int) -> Server:
    """The server of the running stack."""
    words = _words(pid)
    flags = dict(pairwise(words))
    url = f"http://127.0.0.1:{flags['--port']}"
    model = flags["--served-model-name"]
    return Server(OURS, url, model, flags["--model"], pid, family.engine_core(pid))


def _command(like: Server, port: int, *more: str) -> list[str]:
    """The command line of ours, for vLLM's own entry point and another port."""
    python, _m, _module, *flags = _words(like.api)
    flags[flags.index("--port") + 1] = str(port)
    return [python, "-m", "tests.bench.overhead.stock", *flags, *more]


def _environment(like: Server, more: Mapping[str, str]) -> dict[str, str]:
    given = _variables(like.api)
    return {k: v for k, v in given.items() if not k.startswith(_OURS_ALONE)} | dict(more)


@contextmanager
def _stock(like: Server, name: str, log: Path, flags: tuple[str, ...]) -> Iterator[Server]:
    port = ports.any_free()
    command = _command(like, port, *flags)
    env = _environment(like, TRACES if flags else {})
    with log.open("w") as out:
        # As ours, not in the session of who asks: Linux shares cores out by session (autogroup),
        # and a caller of the same one preempts its server a third as often.
        process = subprocess.Popen(
            command, cwd=REPO, env=env, stdout=out, stderr=out, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_health(process, url, log)
        core = family.engine_core(process.pid)
        yield Server(name, url, like.model, like.tokenizer, process.pid, core)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    children = family.below(process.pid)
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in (process.pid, *children):
            if orphans.is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise Fault(f"stock vLLM did not start: read {log}")


@contextmanager
def all_of(like: Server, folder: Path, collector: str) -> Iterator[list[Server]]:
    """Ours and the two others, which end with the block.

    Raises Fault with the log's path where one does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    traces = ("--otlp-traces-endpoint", f"{collector}/v1/traces")
    with ExitStack() as stack:
        plain = stack.enter_context(_stock(like, STOCK, folder / "stock.log", ()))
        traced = stack.enter_context(_stock(like, TRACED, folder / "traced.log", traces))
        yield [plain, traced, like]

"""No caller's text in a log, whoever logs it and from which thread: a canary is found nowhere."""

import asyncio
import copy
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jinja2
import pytest

from server.signals import code_places, serving
from server.signals.log_events import read_event
from tests.unit.logged import Lines, lines_of

REPO = Path(__file__).resolve().parents[3]
NAMES = ["vllm.foreign", "asyncio.foreign", "asyncio"]
CANARY = "canary-7f3a ahoy"
_TEMPLATE = "kept in another place than the call: %s"


@pytest.fixture(name="lines")
def _lines() -> Iterator[Lines]:
    with lines_of("asyncio.foreign") as made:
        yield made


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


SAYINGS: dict[str, Callable[[logging.Logger], None]] = {
    "argument": lambda log: log.warning("cannot read %s", CANARY),
    "f-string": lambda log: log.warning(f"cannot read {CANARY}"),
    "percent": lambda log: log.warning("cannot read %s" % CANARY),  # noqa: UP031
    "format": lambda log: log.warning("cannot read {}".format(CANARY)),  # noqa: UP032
    "joined": lambda log: log.warning("\n".join(["cannot read", CANARY])),
    "bare": lambda log: log.warning(CANARY[:7] + CANARY[7:]),
    "exception": lambda log: log.warning(ValueError(CANARY)),
    "exc_info": lambda log: log.warning("failed", exc_info=raised(KeyError(CANARY))),
    "cause": lambda log: log.warning("failed", exc_info=_caused()),
    "extra": lambda log: log.warning("failed", extra={"prompt": CANARY}),
    "misfit": lambda log: log.warning("%d tokens", CANARY),
    "logger": lambda log: log.getChild(CANARY).warning("failed"),
    "only-conversion": lambda log: log.warning("%s", CANARY),
}


def say(lines: Lines, saying: str) -> None:
    # pytest's own handler raises for what does not fit.
    lines.logger.propagate = False
    SAYINGS[saying](lines.logger)
    lines.logger.propagate = True


def _caused() -> Exception:
    try:
        raise RuntimeError("outer") from ValueError(CANARY)
    except RuntimeError as error:
        return error


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("saying", SAYINGS)
@pytest.mark.parametrize("name", NAMES)
def test_foreign_lines_quote_no_caller_outside_its_request_either(name: str, saying: str) -> None:
    with lines_of(name) as lines, ThreadPoolExecutor(1) as threads:
        threads.submit(say, lines, saying).result()
        assert "canary" not in lines.text
        assert lines.one()["logger"].split(".")[0] in (name.split(".")[0], "other")


@pytest.mark.parametrize("saying", SAYINGS)
def test_each_saying_would_quote_it_before_the_first_caller(saying: str) -> None:
    with lines_of("vllm.foreign") as lines:
        say(lines, saying)
        assert ("canary" in lines.text) == (saying not in ("extra", "misfit"))


@pytest.mark.usefixtures("heard")
def test_what_was_formatted_is_told_by_its_place(lines: Lines) -> None:
    lines.logger.error(f"cannot read {CANARY}")
    place = lines.one()["event"].split(":")
    assert place[:2] == ["asyncio", "test_what_was_formatted_is_told_by_its_place"]
    assert int(place[2]) > 0


@pytest.mark.usefixtures("heard")
def test_a_wrapper_around_the_call_keeps_the_template(lines: Lines) -> None:
    def once(message: str, *args: object) -> None:
        lines.logger.error(message, *args)

    once("cannot read %s", CANARY)
    assert lines.one()["event"] == "cannot read %s"


@pytest.mark.usefixtures("heard")
def test_a_template_that_no_caller_of_the_call_holds_is_told_by_its_place(lines: Lines) -> None:
    lines.logger.error(_TEMPLATE, CANARY)
    assert lines.one()["event"].startswith("asyncio:test_a_template_that_no_caller")


@pytest.mark.usefixtures("heard")
def test_an_exceptions_place_in_a_callers_template_has_none_of_its_names(lines: Lines) -> None:
    source = "{% macro canary_7f3a() %}{{ 1 / 0 }}{% endmacro %}{{ canary_7f3a() }}"
    try:
        jinja2.Environment(autoescape=True).from_string(source).render()
    except ZeroDivisionError:
        lines.logger.exception("failed")
    assert "canary" not in lines.text
    assert "made at run time" in lines.one()["exception"]


@pytest.mark.usefixtures("heard")
def test_our_own_lines_lose_an_exceptions_text_too() -> None:
    with lines_of("server.signals.hook_errors") as ours:
        ours.logger.error("hook %s failed", "red", exc_info=raised(ValueError(CANARY)))
        assert ours.one()["event"] == "hook red failed"
        assert "canary" not in ours.text


@pytest.mark.usefixtures("heard")
@pytest.mark.filterwarnings("ignore")
async def test_what_asyncio_says_of_a_lost_exception_quotes_nobody() -> None:
    async def fails() -> None:
        raise ValueError(CANARY)

    with lines_of("asyncio") as lines:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: raised(ValueError(CANARY)) and 1 / 0)
        task = asyncio.create_task(fails(), name=CANARY)
        await asyncio.sleep(0.01)
        del task
        await asyncio.sleep(0)
        said = [json.loads(line) for line in lines.text.splitlines()]
        assert {line["exception_type"] for line in said} == {"ZeroDivisionError", "ValueError"}
        assert "canary" not in lines.text


def test_chains_that_lead_back_to_themselves_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert code_places.of_error(first) == "ValueError\nValueError"


PRINTING = """
import logging, logging.config, json, sys, threading, warnings, traceback, gc
from server.signals import logs, serving, uncaught
CANARY = "canary-7f3a ahoy"
{share}
uncaught.install()
logging.config.dictConfig(json.load(open("server/logging.json")))
warnings.warn("starting " + "up")
print("before " + "anybody")
serving.begin()

def fails():
    raise ValueError(CANARY)

class Unraisable:
    def __del__(self):
        raise ValueError(CANARY)

class Misformed(logging.Handler):
    def emit(self, record):
        try:
            raise ValueError(CANARY)
        except ValueError:
            self.handleError(record)

thread = threading.Thread(target=fails, name=CANARY)
thread.start(); thread.join()
Unraisable(); gc.collect()
warnings.warn(CANARY)
print(CANARY)
print(CANARY, file=sys.stderr)
try:
    fails()
except ValueError:
    traceback.print_exc()
foreign = logging.getLogger("json.foreign")
foreign.addHandler(Misformed())
foreign.error("x %s", CANARY)
fails()
"""


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LLM_SERVER_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=REPO,
        env={**kept, "PYTHONPATH": str(REPO), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_that_python_itself_prints_quotes_a_caller() -> None:
    done = run(PRINTING.format(share="serving.share()"))
    everything = done.stdout + done.stderr
    assert "canary" not in everything, everything
    assert "before anybody" in done.stdout
    assert "UserWarning: starting up" in done.stdout
    events = [json.loads(line)["event"] for line in done.stdout.splitlines() if line[0] == "{"]
    for said in ("an exception ended a thread", "an exception could not be raised",
                 "UserWarning at ", "printed by ",
                 "an exception was caught by nobody"):  # fmt: skip
        assert any(event.startswith(said) for event in events), (said, events)
    assert "Misformed lost a line of json:" in done.stderr
    assert done.returncode == 1


def test_a_child_sees_that_its_parent_began(tmp_path: Path) -> None:
    code = """
    import subprocess, sys
    from server.signals import serving
    serving.share()
    child = "from server.signals import serving; serving.join(); print(serving.has_begun()); " \
            "sys.stdout.flush(); sys.stdin.readline(); print(serving.has_begun())"
    ran = subprocess.Popen([sys.executable, "-c", "import sys; " + child], text=True,
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    print(ran.stdout.readline().strip())
    serving.begin()
    print(ran.communicate("\\n")[0].strip())
    """
    assert run(code).stdout.split() == ["False", "True"]


def test_a_child_without_a_flag_takes_callers_as_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "/proc/0/fd/0"):
        monkeypatch.delenv(serving.VARIABLE, raising=False)
        if value:
            monkeypatch.setenv(serving.VARIABLE, value)
        serving.join()
        assert serving.has_begun()


def test_hooks_are_installed_in_the_server_and_in_its_children() -> None:
    main = (REPO / "server" / "__main__.py").read_text()
    assert main.count("uncaught.install()") == 2
    assert (main.count("serving.share()"), main.count("serving.join()")) == (1, 1)


def test_warnings_and_threads_are_pythons_own_in_this_process() -> None:
    # install() is for whole processes: a test that called it would mute pytest.
    assert warnings.showwarning.__module__ != "server.signals.uncaught"
    assert threading.excepthook.__module__ != "server.signals.uncaught"


def test_a_record_that_was_read_before_a_caller_was_heard_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = logging.makeLogRecord({"name": "vllm.foreign", "msg": f"cannot read {CANARY}"})
    monkeypatch.setattr(serving, "_page", bytearray(1))
    before = read_event(record).text
    serving.begin()
    assert CANARY in before
    assert CANARY not in read_event(record).text


def test_a_record_that_a_filter_redacts_between_two_handlers_is_read_again() -> None:
    record = logging.makeLogRecord({"name": "server.known", "msg": "key %s", "args": (CANARY,)})
    before = read_event(record).text
    record.args = ("<redacted>",)
    copied = copy.copy(record)
    copied.msg, copied.args = "redacted", ()
    assert before == f"key {CANARY}"
    assert (read_event(record).text, read_event(copied).text) == ("key <redacted>", "redacted")


def test_a_record_is_read_once_for_all_of_its_handlers() -> None:
    record = logging.makeLogRecord({"name": "server.known", "msg": "said"})
    assert read_event(record) is read_event(record)

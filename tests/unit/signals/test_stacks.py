"""Stacks of processes: of those that answer, of those that cannot, and no word of a caller's."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.signals import code_places, stacks
from server.signals.stacks import Seen

REPO = Path(__file__).parents[3]
LISTENING = """
import sys, threading
from server.signals import stacks
stacks.listen()
def waits_for_its_parent(secret):
    print("up", flush=True)
    sys.stdin.read()
"""
CALL = 'waits_for_its_parent("text of a prompt")'
FORKS = """
import os
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
waits_for_its_parent("parent")
"""
Start = Callable[[str], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a child of this process that runs the code and is up."""
    with ExitStack() as ends:

        def begin(code: str) -> int:
            child = subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=REPO,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            ends.callback(child.communicate)
            ends.callback(child.kill)
            assert child.stdout is not None
            assert child.stdout.readline() == "up\n"
            return child.pid

        yield begin


def of(pid: int, patience: float = 20.0) -> Seen:
    (found,) = [each for each in stacks.below(patience) if each.pid == pid]
    return found


def test_a_child_that_listens_tells_where_it_stands(start: Start) -> None:
    found = of(start(LISTENING + CALL))
    (thread,) = found.threads
    # Between saying that it is up and waiting, or at it; the innermost first.
    assert thread[0] in ("<made at run time>:6", "<made at run time>:7")
    assert (found.is_silent, found.state) == (False, "")
    assert "text of a prompt" not in stacks.as_text(found)
    assert "waits_for_its_parent" not in stacks.as_text(found), (
        "a name made at run time is nobody's"
    )


def test_a_second_answer_holds_nothing_of_the_first(start: Start) -> None:
    pid = start(LISTENING + CALL)
    assert len(of(pid).threads) == len(of(pid).threads) == 1


def test_the_main_thread_comes_first(start: Start) -> None:
    beside = "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    main, other = of(start(LISTENING + beside + CALL)).threads
    assert main[0].startswith("<made at run time>")
    assert other[0].startswith("threading.py:")


def test_of_a_stopped_process_the_kernel_tells_its_state(start: Start) -> None:
    pid = start(LISTENING + CALL)
    os.kill(pid, signal.SIGSTOP)
    found = of(pid, 0.3)
    assert found.is_silent
    assert re.fullmatch(r"state T \(stopped\), wait channel [\w ]+, threads \d+", found.state), (
        found.state
    )
    assert f"no answer in 2 s; {found.state}" in stacks.as_text(found)
    os.kill(pid, signal.SIGCONT)
    assert not of(pid).is_silent, "and it lives on"


def test_a_process_without_a_handler_is_left_alone(start: Start) -> None:
    pid = start('print("up", flush=True)\nimport sys; sys.stdin.read()')
    found = of(pid, 0.3)
    assert (found.asked, found.is_silent) == (False, False)
    assert re.match(r"state [SR] \(\w+\), wait channel ", found.state), found.state
    assert "tells no stack" in stacks.as_text(found)
    os.kill(pid, 0)


def test_a_forked_child_is_not_asked_in_its_parents_name(start: Start) -> None:
    pid = start(LISTENING + FORKS)
    child, *_ = stacks.process.below(pid)
    assert (of(pid).asked, of(child, 0.3).asked) == (True, False)


def test_one_that_is_gone_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert stacks.state(child.pid) == "gone"
    assert stacks._ask(child.pid) is None


def test_nothing_stays_open(start: Start) -> None:
    pid = start(LISTENING + CALL)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    of(pid)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_own_threads_are_told_by_name_of_function_alone() -> None:
    begun, end = threading.Event(), threading.Event()

    def waits_here(secret: str) -> None:
        begun.set()
        end.wait()

    thread = threading.Thread(target=waits_here, args=("text of a prompt",))
    thread.start()
    begun.wait()
    found = stacks.own()
    end.set()
    thread.join()
    text = stacks.as_text(found)
    assert "waits_here" in text
    assert "text of a prompt" not in text
    assert (found.pid, found.asked) == (os.getpid(), True)


@pytest.mark.parametrize(
    ("place", "compiling"),
    [
        ("torch/_dynamo/convert_frame.py:5:f", True),
        ("torch/_inductor/graph.py:5:run", True),
        ("torch/_dynamo/eval_frame.py:5:f", False),
        ("torch/_inductor/output_code.py:5:__call__", False),
        ("vllm/v1/engine/core.py:674:step", False),
    ],
)
def test_a_compiler_is_known_by_its_files(place: str, compiling: bool) -> None:
    deep = tuple(f"x.py:{n}:f" for n in range(40))
    assert Seen(1, "x", [(), (*deep, place)]).is_compiling == compiling


def test_the_files_of_compilers_are_there() -> None:
    root = Path(code_places._ROOTS[0])
    gone = [
        name
        for name in stacks._COMPILERS
        if (root / name.split("/")[0]).is_dir() and not (root / name).exists()
    ]
    assert gone == [], "a compiler moved: its long steps would count as stalls"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/srv/x.py", "/srv/x.py:3:f"),
        (str(REPO / "server/flags.py"), "server/flags.py:3:f"),
        ("<template of a caller>", "<made at run time>:3"),
        ("<string>", "<made at run time>:3"),
    ],
)
def test_a_place_names_what_stands_in_a_file(path: str, told: str) -> None:
    assert code_places.place(path, 3, "f") == told

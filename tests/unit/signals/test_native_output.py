"""What native code prints is shown until a caller is heard, then counted; the log goes past it."""

import os
import subprocess
import sys
import threading

from server.signals.native_output import _Reader

PATIENCE = 900.0
"""Seconds until a program that loads vLLM, twice, must be hung: beside others it took 155."""
PROGRAM = """
import json, logging, logging.config, os, subprocess, sys
from server.signals import native_output, serving
serving.share()
native_output.divert()
logging.config.dictConfig(json.load(open("server/logging.json")))
log = logging.getLogger("server.test")
os.write(1, b"native before\\n")
os.write(2, b"native before too\\n")
sys.stdin.readline()
log.info("heard now")
serving.begin()
os.write(2, b"CANARY one\\nCANARY two\\n")
CHILD = '''
import json, logging.config, os
from server.signals import native_output, serving
serving.join()
native_output.join()
logging.config.dictConfig(json.load(open("server/logging.json")))
logging.getLogger("server.child").info("the child's line")
os.write(1, b"CANARY of a child")
'''
subprocess.run([sys.executable, "-c", CHILD], check=True)
{flood}
log.info("last line")
"""


def said(flood: str = "") -> str:
    command = [sys.executable, "-c", PROGRAM.replace("{flood}", flood)]
    pipe = subprocess.PIPE
    # Unbuffered: what readline() has not returned is left for communicate().
    with subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe) as program:
        hung = threading.Timer(PATIENCE, program.kill)
        hung.daemon = True
        hung.start()
        assert program.stdout and program.stderr
        shown = program.stdout.readline()
        assert program.stderr.readline() == b"native before too\n"
        # A caller is heard only now that both were shown.
        rest, errors = program.communicate(b"\n")
        hung.cancel()
    assert (program.returncode, errors) == (0, b"")
    return (shown + rest).decode()


def test_native_code_is_shown_until_a_caller_is_heard() -> None:
    text = said()
    assert "native before\n" in text
    assert "CANARY" not in text
    assert text.count("native code printed") >= 1
    lines = [line for line in text.splitlines() if "native before" not in line]
    assert all(line.startswith("{") for line in lines), "the log is JSON"
    assert [
        part for part in ("heard now", "the child's line", "last line") if part not in text
    ] == []


def test_a_flood_while_the_interpreter_is_held_blocks_nobody() -> None:
    # One write of many pipes' length, before the thread that reads can run.
    text = said("sys.setswitchinterval(1000)\ntry:\n    os.write(2, b'CANARY' * 10**6)\n"
                "except BlockingIOError:\n    pass")  # fmt: skip
    assert "CANARY" not in text and "last line" in text


def test_what_is_printed_at_the_very_end_is_not_lost() -> None:
    program = (
        "import sys; from server.signals import native_output; native_output.divert(); "
        "print('cannot start: the last word', file=sys.stderr, flush=True); sys.exit(78)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == "cannot start: the last word\n"


def test_who_reads_ends_when_nobody_is_left_who_could_print() -> None:
    (printed, writer), (shown, passed_on) = os.pipe(), os.pipe()
    reader = _Reader({printed: passed_on}, {})
    reader.start()
    os.write(writer, b"the last word\n")
    os.close(writer)
    reader.join(60)
    assert not reader.is_alive()
    assert os.read(shown, 100) == b"the last word\n"
    for end in (printed, shown, passed_on):
        os.close(end)

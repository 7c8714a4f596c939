"""What long runs found stands in the docs in one place each, in the order of the runs."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from stack.cli import COMMANDS
from stack.errors import Fault
from tests.bench.evidence import __main__ as command
from tests.bench.evidence.page import ANCHOR, PAGE, Found, block, put_into
from tests.bench.evidence.runs import RUNS, Run
from tests.conftest import REPO

PAGE_TEXT = f"# Page\n\n{ANCHOR}\n\n## Next\n"


def found(status: int = 0, *lines: str) -> Found:
    return Found(status, "1:00", lines, "2026-11-28", "abc1234", "2 x a core")


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_each_run_is_a_command_that_exists(run: Run) -> None:
    module, *words = run.words
    assert importlib.util.find_spec(module)
    assert module != "stack" or words[0] in COMMANDS
    assert re.fullmatch(r"([A-Z]+=\S+ )*(make|python -m) .*", run.command)


def test_a_run_is_written_once_and_in_its_place() -> None:
    text = PAGE_TEXT
    for name in ("fuzz", "hot-paths", "day", "fuzz"):
        text = put_into(text, name, block(name, RUNS[name], found(0, f"of {name}\n")))
    places = [text.index(f"<!-- evidence: {name} -->") for name in ("hot-paths", "fuzz", "day")]
    assert places == sorted(places)
    assert text.count("<!-- evidence: ") == 3
    assert text.endswith("## Next\n")


def test_what_failed_says_so_and_no_color_is_left() -> None:
    text = block("fuzz", RUNS["fuzz"], found(1, "\x1b[31mbad\x1b[0m  \n"))
    assert "**status 1** after 1:00" in text and "\nbad\n" in text


def test_our_page_has_the_place() -> None:
    text = (REPO / PAGE).read_text()
    assert put_into(text, "day", block("day", RUNS["day"], found())) != text
    with pytest.raises(ValueError, match="has no"):
        put_into("# Page\n", "day", "x")


def test_runs_are_chosen_by_name() -> None:
    assert command.chosen([]) == list(RUNS)
    assert command.chosen(["day,fuzz"]) == ["fuzz", "day"]
    with pytest.raises(Fault, match="RUN=nothing is unknown"):
        command.chosen(["nothing"])


def test_the_last_lines_of_a_run_are_kept_with_its_status(tmp_path: Path) -> None:
    log = tmp_path / "log"
    status, lines = command._run(Run("nothing", ("tests.bench.evidence.no_such",), 1), log)
    assert status == 1
    assert "No module named" in lines[-1] and lines[-1] in log.read_text()
    assert sys.executable in log.read_text()

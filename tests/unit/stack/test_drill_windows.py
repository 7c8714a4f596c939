"""Shortened rules: the shipped files with other durations, and nothing else."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.drills import windows
from tests.conftest import REPO

FILES = sorted((REPO / "prometheus").glob("rules/*.yaml")) + sorted(
    (REPO / "prometheus").glob("alerts/*.yaml")
)
DURATIONS = {"for", "keep_firing_for", "interval", "query_offset"}
AGES = re.compile(r"time\(\) - process_start_time_seconds\S* [<>] \d+")
RANGE = re.compile(r"\[[^\]\"'{}]*\]|offset\s+-?\w+")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("5s", "5s"),
        ("500ms", "500ms"),
        ("20s", "20s"),
        ("30s", "20s"),
        ("5m", "20s"),
        ("10m", "25s"),
        ("1h", "38s"),
        ("60m", "38s"),
        ("1h30m", "41s"),
        ("6h", "51s"),
        ("1d", "61s"),
        ("3d", "69s"),
    ],
)
def test_a_duration_is_shortened(given: str, expected: str) -> None:
    assert windows.shorten(given) == expected


def test_the_order_of_windows_stays() -> None:
    every = [f"{seconds}s" for seconds in range(1, 3 * 86400, 997)]
    short = [windows.seconds_of(windows.shorten(each)) for each in every]
    assert short == sorted(short)
    assert all(s <= windows.seconds_of(e) for s, e in zip(short, every, strict=True))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("rate(x[5m])", "rate(x[20s])"),
        ("increase(x[10m:15s])", "increase(x[25s:5s])"),
        ("max_over_time(x[1h:])", "max_over_time(x[38s:])"),
        ("x offset 10m > y offset -1h", "x offset 25s > y offset -38s"),
        ("x{a=~\"[5m] offset 5m\", b='[5m]', c=`[5m]`}[5m]", None),
        ('x{a="\\"[5m]"}[1d]', None),
        ('x > 5 unless time() - process_start_time_seconds{job="p"} < 900', None),
        ("x[$__rate_interval] + offset_5m + 300", "x[$__rate_interval] + offset_5m + 300"),
    ],
)
def test_an_expression_keeps_all_but_its_durations(given: str, expected: str | None) -> None:
    if given.endswith("< 900"):
        expected = given.replace("900", "28")
    elif expected is None:
        expected = (
            given[: given.rindex("[")] + f"[{windows.shorten(given[given.rindex('[') + 1 : -1])}]"
        )
    assert windows.expression(given) == expected


HOSTILE = """\
# for: 5m
groups:
  - name: x
    interval: 1m # for: 5m
    rules:
      - alert: A
        # [5m] in a comment
        expr: >-
          rate(x[5m]) > 0
          # [5m]
          and for: 5m
        for: 10m
        labels:
          for: 5m
          window: 1h
        annotations:
          exemplars: x[5m]
          description: >-
            keeps
            for: 5m
            [5m] offset 5m
        keep_firing_for: 1h
      - record: b
        expr: rate(y[5m])
"""


def test_only_where_a_duration_is_one() -> None:
    short = windows.rules(HOSTILE)
    changed = [
        (old.strip(), new.strip())
        for old, new in zip(HOSTILE.splitlines(), short.splitlines(), strict=True)
        if old != new
    ]
    assert changed == [
        ("interval: 1m # for: 5m", "interval: 20s # for: 5m"),
        ("rate(x[5m]) > 0", "rate(x[20s]) > 0"),
        ("for: 10m", "for: 25s"),
        ("keep_firing_for: 1h", "keep_firing_for: 38s"),
        ("expr: rate(y[5m])", "expr: rate(y[20s])"),
    ]


def masked(value: Any, key: str = "") -> Any:
    """The same tree without its durations."""
    if isinstance(value, dict):
        return {k: masked(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [masked(each) for each in value]
    if key in DURATIONS:
        return "a duration"
    return AGES.sub("an age", RANGE.sub("a window", value)) if key == "expr" else value


def durations(value: Any, key: str = "") -> Iterator[str]:
    """Every duration of a tree, in its order."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from durations(v, k)
    elif isinstance(value, list):
        for each in value:
            yield from durations(each)
    elif key in DURATIONS:
        yield str(value)
    elif key == "expr":
        for window in RANGE.findall(value):
            yield from re.findall(r":?(?:\d+(?:ms|[smhdwy]))+", window)


def short(duration: str) -> str:
    """What becomes of a duration; behind a colon it is the step of a subquery."""
    return ":5s" if duration.startswith(":") else windows.shorten(duration)


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_shipped_file_is_unchanged_but_for_its_durations(file: Path) -> None:
    shipped = file.read_text(encoding="utf-8")
    before, after = yaml.safe_load(shipped), yaml.safe_load(windows.rules(shipped))
    assert masked(after) == masked(before)
    assert list(durations(after)) == [short(each) for each in durations(before)]


def test_there_are_files_with_windows() -> None:
    every = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in FILES]
    assert sum(len(list(durations(each))) for each in every) > 50


def test_promtool_accepts_them(tmp_path: Path) -> None:
    if not (promtool := shutil.which("promtool")):
        pytest.skip("promtool is not on PATH: `make test` puts it there")
    for file in FILES:
        short = windows.rules(file.read_text(encoding="utf-8"))
        (tmp_path / f"{file.parent.name}-{file.name}").write_text(short, encoding="utf-8")
    written = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run([promtool, "check", "rules", *written], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

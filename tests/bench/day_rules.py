"""The recorded series of the day, level by level, and the wait until Prometheus has settled."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import yaml

from server.catalogue.promql import selectors
from stack.errors import Fault
from stack.evidence.scrape import scrape
from stack.request.signals import PROMETHEUS
from tests.bench.day_requests import Plan

EVALUATION_SECONDS = 15
"""How often the running Prometheus evaluates them."""
QUIET_SECONDS = 70.0
"""Prometheus looks for new blocks, and for those to merge, once a minute."""
_PATIENCE_SECONDS = 1200.0
Rule: TypeAlias = Mapping[str, str]


def rules(repo: Path) -> list[Rule]:
    """Every recording rule of prometheus/rules/."""
    files = sorted(repo.glob("prometheus/rules/*.yaml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def levels(every: Sequence[Rule]) -> Iterator[list[Rule]]:
    """The rules in turns: what one reads was recorded in a turn before.

    promtool reads from Prometheus, so one run cannot read what it writes.
    """
    rest = list(every)
    while rest:
        missing = {rule["record"] for rule in rest}
        ready = [rule for rule in rest if missing.isdisjoint(_read(rule))]
        if not ready:
            raise Fault(f"rules that read each other: {', '.join(sorted(missing))}")
        yield ready
        rest = [rule for rule in rest if rule not in ready]


def _read(rule: Rule) -> set[str]:
    return {selector.name for selector in selectors(rule["expr"])}


def record(turn: Sequence[Rule], plan: Plan, promtool: Path, data: Path) -> None:
    """Write the blocks of one turn's series; raises Fault with promtool's words."""
    file = data.parent / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "day", "rules": [*map(dict, turn)]}]}))
    times = (f"--start={plan.start:.0f}", f"--end={plan.end:.0f}")
    step = f"--eval-interval={EVALUATION_SECONDS}s"
    command = [str(promtool), "tsdb", "create-blocks-from", "rules", f"--url={PROMETHEUS}", *times]
    done = subprocess.run(
        [*command, step, f"--output-dir={data}", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    file.unlink()
    if done.returncode:
        raise Fault(f"promtool recorded nothing: {(done.stderr or done.stdout).strip()[-300:]}")


def settle(data: Path, quiet: float = QUIET_SECONDS) -> None:
    """Wait until Prometheus has all blocks loaded and has merged none for `quiet` seconds.

    Raises Fault after _PATIENCE_SECONDS.
    """
    seen, since, until = _blocks(data), time.monotonic(), time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() - since < quiet or _loaded() != len(seen):
        if time.monotonic() > until:
            raise Fault("Prometheus does not settle", "see prometheus.log in the folder's logs/")
        time.sleep(1)
        if (now := _blocks(data)) != seen:
            seen, since = now, time.monotonic()


def _blocks(data: Path) -> set[str]:
    """The blocks' names; one that is being written has another than when it is done."""
    return {path.name for path in data.glob("01*")}


def _loaded() -> int:
    samples = scrape(f"{PROMETHEUS}/metrics") or ()
    return int(sum(one.value for one in samples if one.name == "prometheus_tsdb_blocks_loaded"))

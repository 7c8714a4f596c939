"""`python -m loadtest.replay plan FOLDER` before the load, `... compare FOLDER` after it.

What is asked is in the environment (docs/load.md). Exit code 1: it is not equal, 2: bad input, or
something that is needed is away, 3: the figures are the generator's.
"""

import argparse
import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from loadtest import plan as plans
from loadtest import target
from loadtest.plan import PLAN, Plan
from loadtest.reconcile import evidence
from loadtest.replay import make, served, side_by_side, sources
from loadtest.replay.held import findings, latencies_now, latencies_then
from loadtest.replay.recorded import Recorded, read
from loadtest.replay.window import moment, named
from loadtest.rows import Row, Run, read_rows, read_run
from loadtest.target import Keys, SettingsError
from stack import settings
from stack.errors import Fault
from stack.say import complain, say
from stack.stores.protocol import LogStore
from stack.stores.running import stores

REPO = Path(__file__).parents[2]
RESULT = "replay.json"
BAD, INVALID = 2, 3
IDS = "1000-3999"
"""Plain text in the vocabularies of today's models, whose special tokens are below or above."""


def main(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Plan or compare; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.replay", description=__doc__)
    parser.add_argument("what", choices=("plan", "compare"))
    parser.add_argument("folder", type=Path, help="the run's")
    parser.add_argument("seed", nargs="?", default="1", help="of the prompts, for a plan")
    options = parser.parse_args(arguments)
    try:
        store = stores(settings.load(REPO, dict(env))).logs
        if options.what == "plan":
            return plan(env, options.folder, store, options.seed)
        return compare(options.folder, store)
    # Whatever stopped it: 1 would say that the replay is not equal.
    except (Fault, SettingsError) as error:
        complain(str(error))
        return BAD
    except OSError as error:
        complain(f"{error.filename or options.folder}: {error.strerror}")
        return BAD


def plan(env: Mapping[str, str], folder: Path, store: LogStore, seed: str) -> int:
    """Write the plan of the window into the run's folder; raises Fault or SettingsError."""
    keys, url, now = _keys(env), target.url(env), time.time()
    every, wanted = _every(env, store, now, _seed(seed))
    known = served.ask(url, target.metrics_url(env, url), keys)
    made = make.plan(every, known, wanted)
    served.check(
        url, made.requests[0].model, {each.tenant for each in made.requests}, keys, wanted.ids[1]
    )
    folder.mkdir(parents=True, exist_ok=True)
    plans.write(made, folder / PLAN)
    files = f"FROM={shlex.quote(env['FROM'])} " if env.get("FROM") else ""
    for line in _told(made, known.caches, files):
        say(line)
    return 0


def _every(
    env: Mapping[str, str], store: LogStore, now: float, seed: int
) -> tuple[list[Recorded], make.Wanted]:
    since, until = (env.get(name) or "" for name in ("SINCE", "UNTIL"))
    files = env.get("FROM") or ""
    if not since and not files:
        raise SettingsError("SINCE: say how long ago the window begins: make replay SINCE=1h")
    begin = moment("SINCE", since, now) if since else 0.0
    end = moment("UNTIL", until, now) if until else now
    if begin >= now:
        raise SettingsError("SINCE: the window begins in the future, of which there is no record")
    if end <= begin:
        raise SettingsError("UNTIL: the window ends before it begins")
    wanted = make.Wanted(begin, end, files or store.name, seed, _ids(env))
    if files:
        return sources.of_files(Path(files), begin, end), wanted
    return sources.of_store(store, begin, end, now), wanted


def _seed(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise SettingsError(f"SEED: '{text}' is not a whole number of nine digits at most")
    return int(text)


def _ids(env: Mapping[str, str]) -> tuple[int, int]:
    text = env.get("TOKEN_IDS") or IDS
    found = re.fullmatch(r"(\d{1,7})-(\d{1,7})", text)
    if not found or int(found[2]) - int(found[1]) < 15:
        raise SettingsError(f"TOKEN_IDS: '{text}' is no range such as {IDS}, of 16 at least")
    return int(found[1]), int(found[2])


def _keys(env: Mapping[str, str]) -> Keys:
    name = env.get("TENANTS_KEYS")
    if not name:
        return ()
    path = Path(name)
    if path.exists() and path.stat().st_mode & 0o077:
        raise SettingsError(f"TENANTS_KEYS: {name} is readable by others: chmod 600 {name}")
    return target.keys("TENANTS_KEYS", name)


def _told(made: Plan, caches: bool, files: str) -> Iterator[str]:
    count = len(made.requests) + sum(made.left_out.values())
    yield f"{made.source}: {count:,} requests, of which {len(made.requests):,} are repeated"
    yield from (f"  not repeated: {left:,}: {why}" for why, left in made.left_out.items())
    shared = f"{made.cached_planned:,} of {made.cached_recorded:,} cached input tokens"
    why = "" if caches else " (this server keeps no prefixes)"
    yield f"  prompts share {shared}, by blocks of {made.block}: the first of its kind cannot{why}"
    window = f"SINCE={named(made.since)} UNTIL={named(made.until)}"
    yield f"  this window again: make replay {files}{window} SEED={made.seed}"


def compare(folder: Path, store: LogStore) -> int:
    """Print the replay beside what was recorded; 0 where it is equal; raises Fault."""
    try:
        made, run = plans.read(folder / PLAN), read_run(folder)
        rows = list(read_rows(folder))
    except (OSError, ValueError) as error:
        raise Fault(f"{folder} holds no replay ({error})", "`make replay SINCE=1h`", BAD) from error
    replayed = _replayed(store, run, rows)
    found = findings(made, rows, replayed)
    then, now = latencies_then(made), latencies_now(replayed)
    for line in (*(each.line for each in found), "", *side_by_side.table(then, now)):
        say(line)
    (folder / RESULT).write_text(_document(run, [each.line for each in found], then, now))
    say(f"{folder / RESULT}; `make report RUN={run.run_id}` has the rest")
    if run.invalid_because:
        return INVALID
    return 0 if all(each.is_exact for each in found) else 1


def _replayed(store: LogStore, run: Run, rows: Sequence[Row]) -> list[Recorded]:
    until = time.monotonic() + evidence.PATIENCE_SECONDS
    records, why = evidence.records_of(store, run, rows, until)
    if records is None:
        raise Fault(f"what was replayed cannot be read: {why}", f"`make logs PART={store.name}`")
    ours = {row.trace_id for row in rows}
    return [each for each in map(read, records) if each.trace_id in ours]


def _document(
    run: Run, lines: list[str], then: side_by_side.Latencies, now: side_by_side.Latencies
) -> str:
    sides = {
        name: {"recorded": asdict(one), "replayed": asdict(other)}
        for name, one, other in side_by_side.rows(then, now)
    }
    found = {"run_id": run.run_id, "invalid_because": run.invalid_because, "findings": lines}
    return json.dumps({**found, "latency_seconds": sides}, indent=1, ensure_ascii=False) + "\n"

"""USE of the API process: the oldest waiting request, the event loop's lag, the processes."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from server.record.request import Operation
from server.requests import saturation
from server.requests.engine_call import EngineCall
from server.requests.live_request import LiveRequest
from server.signals.process import ProcessCollector

AGE = "llm_oldest_waiting_request_age_seconds"
LAG = "llm_event_loop_lag_seconds"


def live(model: str, age: float) -> LiveRequest:
    request = LiveRequest("0" * 32, "0" * 16, "POST", "/v1/completions", Operation.CHAT)
    request.model = model
    request.started = time.monotonic() - age
    return request


def age(model: str) -> float | None:
    return REGISTRY.get_sample_value(AGE, {"model": model})


def answered(at: float) -> EngineCall:
    stats = SimpleNamespace(first_token_ts=at)
    call = EngineCall()
    call.states = (SimpleNamespace(stats=stats),)  # type: ignore[assignment]
    return call


def test_the_oldest_request_without_a_first_token_is_what_waits() -> None:
    waiting = saturation.Waiting()
    waiting.create_label_sets(["w1", "w2"])
    assert (age("w1"), age("w2")) == (0.0, 0.0)
    old, young = live("w1", 50), live("w1", 20)
    waiting.add(young)
    waiting.add(old)
    assert age("w1") == pytest.approx(50, abs=1)
    assert age("w2") == 0.0
    old.calls.append(answered(0.0))
    assert age("w1") == pytest.approx(50, abs=1), "called and scheduled is not answered"
    old.calls.append(answered(123.0))
    assert age("w1") == pytest.approx(20, abs=1)
    waiting.remove(young)
    waiting.remove(young)
    assert age("w1") == 0.0


def buckets() -> dict[str, float]:
    samples = (s for f in REGISTRY.collect() if f.name == LAG for s in f.samples)
    return {s.labels.get("le", s.name): s.value for s in samples}


def test_a_long_block_counts_for_every_tick_that_it_swallowed() -> None:
    before = buckets()
    saturation.observe_lag(1.05)
    after = buckets()
    grown = {key: after[key] - before[key] for key in after}
    assert grown[f"{LAG}_count"] == 11
    assert grown["+Inf"] - grown["0.5"] == 6
    assert grown["0.1"] == 1


def test_a_timely_tick_counts_once() -> None:
    before = buckets()
    saturation.observe_lag(-0.0001)
    saturation.observe_lag(0.0004)
    after = buckets()
    assert after[f"{LAG}_count"] - before[f"{LAG}_count"] == 2
    assert after["0.001"] - before["0.001"] == 2


async def test_a_blocked_event_loop_is_seen() -> None:
    before = buckets()
    watching = asyncio.create_task(saturation.watch_event_loop())
    await asyncio.sleep(0.05)
    time.sleep(0.45)
    await asyncio.sleep(0.15)
    watching.cancel()
    after = buckets()
    late = (after["+Inf"] - after["0.25"]) - (before["+Inf"] - before["0.25"])
    assert late >= 1


def samples(collector: ProcessCollector) -> dict[tuple[str, str], float]:
    found = (sample for family in collector.collect() for sample in family.samples)
    return {(s.name.split("_")[2], s.labels["process"]): s.value for s in found}


def test_cpu_and_memory_of_this_process_and_those_below() -> None:
    burn = "import time; e=time.process_time()\nwhile time.process_time()-e<.4: pass\ninput()"
    child = subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        collector = ProcessCollector()
        while samples(collector)["cpu", "engine"] < 0.3 and time.monotonic() < deadline:
            time.sleep(0.05)
        found = samples(collector)
    finally:
        child.communicate(b"\n", timeout=20)
    assert found["cpu", "engine"] >= 0.3
    assert found["resident", "engine"] > 2**20
    used = os.times()
    assert found["cpu", "api"] == pytest.approx(used.user + used.system, abs=0.5)
    assert found["resident", "api"] > 10 * 2**20


def test_a_process_that_is_gone_has_no_series(tmp_path: Path) -> None:
    assert samples(ProcessCollector(4, tmp_path)) == {}


def fake(proc: Path, pid: int, ticks: int, children: str = "") -> None:
    task = proc / str(pid) / "task" / str(pid)
    task.mkdir(parents=True)
    (task / "children").write_text(children)
    after_command = ["S", *["0"] * 10, str(ticks), *["0"] * 10]
    (proc / str(pid) / "stat").write_text(f"{pid} (a b) {' '.join(after_command)}")


def test_engine_cpu_does_not_fall_when_one_of_its_processes_ends(tmp_path: Path) -> None:
    fake(tmp_path, 4, 10, children="5 6")
    fake(tmp_path, 5, 200)
    fake(tmp_path, 6, 300)
    collector = ProcessCollector(4, tmp_path)
    before = samples(collector)["cpu", "engine"]
    shutil.rmtree(tmp_path / "6")
    assert samples(collector)["cpu", "engine"] == before == 500 / os.sysconf("SC_CLK_TCK")

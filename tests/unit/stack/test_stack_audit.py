"""The audit names each witness that disagrees, and sets apart what an earlier process left."""

import os
import time
from pathlib import Path

import pytest

from stack.errors import Fault
from stack.evidence import uptime
from stack.evidence.scrape import Sample, parse
from stack.evidence.witnesses import (
    Books,
    findings,
    findings_of_requests,
    read_books,
    read_counted,
    read_logged,
)
from stack.stores.protocol import LogRecord, Value

PAGE = """# HELP llm_bill_microdollars_total what
llm_bill_microdollars_total{part="requests"} 30.5
llm_bill_microdollars_total{part="idle"} 50.0
llm_bill_microdollars_total{part="start_up"} 19.0
llm_bill_microdollars_total{part="stall"} 0.0
llm_bill_microdollars_total{part="lost"} 4.5
llm_bill_carried_microdollars{part="requests"} 0.5
llm_bill_carried_microdollars{part="lost"} 4.5
llm_gpu_cost_carried_microdollars{by="model"} 0.5
llm_gpu_cost_carried_microdollars{by="tenant"} 0.5
llm_gpu_cost_microdollars_total{model="a{b}\\"c",outcome="ok"} 20.0
llm_gpu_cost_microdollars_total{model="b",outcome="aborted"} 1.05e+01
llm_tenant_gpu_cost_microdollars_total{tenant="t"} 30.5
llm_bill_open_microdollars 1.0
llm_device_price_microdollars_per_second 10.0
llm_ledger_error_seconds 0.0
llm_ledger_age_seconds 0.0
llm_gpu_cost_missing_requests_total{model="a"} 2.0
llm_requests_total{model="a",reason="stop"} 2.0
llm_requests_total{model="other",reason="auth"} 1.0
llm_tenant_requests_total{tenant="t",outcome="ok"} 2.0
llm_tenant_requests_total{tenant="other",outcome="client_error"} 1.0
llm_tokens_total{model="a",kind="input_uncached"} 5.0
llm_tokens_total{model="a",kind="input_cached"} 2.0
llm_tokens_total{model="a",kind="output"} 8.0
llm_tenant_tokens_total{tenant="t",kind="output"} 15.0
llm_cost_microdollars_total{model="a",outcome="ok"} 6.25
llm_tenant_cost_microdollars_total{tenant="t"} 6.25
llm_unpriced_requests_total{model="a"} 0.0
"""


def books(page: str = PAGE, seconds: float = 10.0) -> Books:
    return read_books(list(parse(page)), seconds)


def failed(page: str = PAGE, seconds: float = 10.0, logged: float = 30.0) -> list[str]:
    found = findings(books(page, seconds), logged, stored=100.0)
    return [each.what for each in found if not each.good]


def test_labels_may_hold_anything() -> None:
    (sample,) = parse('a_total{x="{,}= \\"",y="z"} 1e3')
    assert sample == Sample("a_total", {"x": '{,}= \\"', "y": "z"}, 1000.0)


def test_what_an_earlier_process_left_is_no_part_of_this_bill() -> None:
    found = books()
    assert found.parts == {
        "requests": 30.0, "idle": 50.0, "start_up": 19.0, "stall": 0.0, "lost": 0.0,
    }  # fmt: skip
    assert (found.bill, found.clock, found.missing) == (100.0, 100.0, 2.0)
    assert failed() == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("19.0", "19.2"), "bill = clock x price"),
        (('{model="b",outcome="aborted"} 1.05e+01', '{model="b",outcome="aborted"} 10.4'),
         "requests = sum over models"),
        (('{tenant="t"} 30.5', '{tenant="t"} 30.6'), "requests = sum over tenants"),
        (("llm_ledger_error_seconds 0.0", "llm_ledger_error_seconds 1e-09"), "ledger error, ns"),
    ],
)  # fmt: skip
def test_each_disagreement_is_named(change: tuple[str, str], what: str) -> None:
    assert change[0] in PAGE
    assert failed(PAGE.replace(*change)) == [what]


def test_a_lost_line_is_found_to_the_nanodollar() -> None:
    assert failed(logged=29.998) == ["requests = sum over log records"]


def test_a_clock_that_differs_by_a_thousandth_is_found() -> None:
    assert failed(seconds=10.02) == ["bill = clock x price"]


def record(event: str = "request_finished", **fields: Value) -> LogRecord:
    return LogRecord(1, event, {"event": event, **fields})


RECORDS = [
    record(input_tokens=4, output_tokens=5, cost_microdollars=4.0, gpu_cost_microdollars=20.0),
    record(input_tokens=3, output_tokens=3, cost_microdollars=2.25),
    record(input_tokens=0, output_tokens=0),
    record("request_settled_late", gpu_cost_microdollars=10.0),
]


def requests_failed(page: str = PAGE, records: list[LogRecord] = RECORDS) -> list[str]:
    counted = read_counted(list(parse(page)))
    found = findings_of_requests(counted, read_logged(records))
    return [each.what for each in found if not each.good]


def test_requests_tokens_and_spend_agree_with_their_records() -> None:
    assert requests_failed() == []
    assert read_logged(RECORDS).device == (20.0, 10.0)


@pytest.mark.parametrize(
    ("change", "whats"),
    [
        (('reason="auth"} 1.0', 'reason="auth"} 2.0'),
         ["requests = log records", "requests = sum over tenants"]),
        (('{tenant="other",outcome="client_error"} 1.0', '{tenant="x",outcome="ok"} 0.0'),
         ["requests = sum over tenants"]),
        (('kind="input_cached"} 2.0', 'kind="input_cached"} 1.0'),
         ["tokens = sum over log records", "tokens = sum over tenants"]),
        (('{model="a",outcome="ok"} 6.25', '{model="a",outcome="ok"} 6.26'),
         ["spend = sum over log records", "spend = sum over tenants"]),
        (('{tenant="t"} 6.25', '{tenant="t"} 6.24'), ["spend = sum over tenants"]),
    ],
)  # fmt: skip
def test_each_disagreement_of_requests_is_named(change: tuple[str, str], whats: list[str]) -> None:
    assert change[0] in PAGE
    assert requests_failed(PAGE.replace(*change)) == whats


def test_a_record_too_many_is_found() -> None:
    assert requests_failed(records=[*RECORDS, record()]) == ["requests = log records"]


def test_books_that_a_slow_disk_keeps_back_are_held_against_their_own_moment() -> None:
    behind = PAGE.replace("llm_ledger_age_seconds 0.0", "llm_ledger_age_seconds 3.0")
    assert failed(behind, seconds=13.0) == []


def test_without_a_price_it_says_what_to_do() -> None:
    with pytest.raises(Fault, match=r"server/prices\.yaml"):
        books("llm_ledger_error_seconds 0.0\n")


def test_the_kernel_knows_how_long_a_process_has_run(tmp_path: Path) -> None:
    fields = dict.fromkeys(range(3, 53), "0")
    fields[22] = str(900 * os.sysconf("SC_CLK_TCK"))
    (tmp_path / "41").mkdir()
    (tmp_path / "41" / "stat").write_text(f"41 (a) b 7) {' '.join(fields.values())}\n")
    (tmp_path / "uptime").write_text("1000.25 1834.50\n")
    assert uptime.seconds(41, tmp_path) == 100.25


def test_the_kernels_account_goes_on_with_the_clock() -> None:
    hundredths = 0.02
    reads = [time.monotonic()]
    first = uptime.seconds(os.getpid())
    reads.append(time.monotonic())
    time.sleep(0.1)
    reads.append(time.monotonic())
    grown = uptime.seconds(os.getpid()) - first
    reads.append(time.monotonic())
    assert reads[2] - reads[1] - hundredths <= grown <= reads[3] - reads[0] + hundredths


@pytest.mark.parametrize(
    ("command", "is_server"),
    [
        ("/venv/bin/python\0-m\0server\0--model\0x\0", True),
        ("python3\0-m\0server\0", True),
        ("python3\0-m\0alertmanager.alertlog\0", False),
        ("/venv/bin/python\0-c\0from multiprocessing\0", False),
        ("sh\0-m\0server\0", False),
        ("", False),
    ],
)
def test_the_server_is_told_from_its_neighbours(
    tmp_path: Path, command: str, is_server: bool
) -> None:
    process(tmp_path, 41, command, 9)
    (tmp_path / "self").mkdir()
    assert uptime.server_pid(500, tmp_path) == (41 if is_server else None)


def process(proc: Path, pid: int, command: str, age: int) -> None:
    """A process as /proc shows it, on a machine that is up for 1,000 s."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_text(command)
    began = (1000 - age) * os.sysconf("SC_CLK_TCK")
    (folder / "stat").write_text(f"{pid} (python) S {' '.join(['0'] * 18)} {began} 0")
    (proc / "uptime").write_text("1000.00 1.00")


def test_another_teams_server_is_not_taken_for_ours(tmp_path: Path) -> None:
    """The audit went by the lowest pid, and said that the numbers do not add up."""
    for pid, age in ((41, 300), (42, 20), (43, 5)):
        process(tmp_path, pid, "python3\0-m\0server\0", age)
    assert uptime.server_pid(19.6, tmp_path) == 42

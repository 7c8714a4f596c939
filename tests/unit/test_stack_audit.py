"""The audit names each witness that disagrees, and sets apart what an earlier process left."""

import os
import time
from pathlib import Path

import pytest

from stack import uptime
from stack.audit import Books, findings, read_books
from stack.errors import Fault
from stack.scrape import Sample, parse

PAGE = """# HELP llm_bill_microdollars_total what
llm_bill_microdollars_total{part="requests"} 30.5
llm_bill_microdollars_total{part="idle"} 50.0
llm_bill_microdollars_total{part="start_up"} 19.0
llm_bill_microdollars_total{part="stall"} 0.0
llm_bill_microdollars_total{part="lost"} 4.5
llm_bill_carried_microdollars{part="requests"} 0.5
llm_bill_carried_microdollars{part="lost"} 4.5
llm_gpu_cost_microdollars_total{model="a{b}\\"c",outcome="ok"} 20.0
llm_gpu_cost_microdollars_total{model="b",outcome="aborted"} 1.05e+01
llm_tenant_gpu_cost_microdollars_total{tenant="t"} 30.5
llm_bill_open_microdollars 1.0
llm_device_price_microdollars_per_second 10.0
llm_ledger_error_seconds 0.0
llm_ledger_age_seconds 0.0
llm_gpu_cost_missing_requests_total{model="a"} 2.0
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


def test_books_that_a_slow_disk_keeps_back_are_held_against_their_own_moment() -> None:
    behind = PAGE.replace("llm_ledger_age_seconds 0.0", "llm_ledger_age_seconds 3.0")
    assert failed(behind, seconds=13.0) == []


def test_without_a_price_it_says_what_to_do() -> None:
    with pytest.raises(Fault, match=r"server/prices\.yaml"):
        books("llm_ledger_error_seconds 0.0\n")


def test_the_kernel_knows_how_long_a_process_has_run() -> None:
    first = uptime.seconds(os.getpid())
    time.sleep(0.2)
    assert uptime.seconds(os.getpid()) - first == pytest.approx(0.2, abs=0.1)


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
    (tmp_path / "41").mkdir()
    (tmp_path / "41" / "cmdline").write_text(command)
    (tmp_path / "self").mkdir()
    assert uptime.server_pid(tmp_path) == (41 if is_server else None)

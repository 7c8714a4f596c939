"""Cells, what is asked of which client, and the table that a run writes."""

import pytest

from clients import page, rows
from clients.cell import Cell
from clients.command import chosen
from clients.run import Asked
from stack.errors import Fault
from tests.conftest import REPO

TOLD = page.Told("2026-11-28", "abc1234", "0.32.0", "tiny-llama", dict.fromkeys(rows.NAMES, "x 1"))


def test_a_cell_that_was_asked_is_as_expected_without_a_fault() -> None:
    assert Cell("openai", "abort", 1).as_expected
    assert not Cell("openai", "abort", 1, ("2 records, not 1",)).as_expected
    assert Cell("openai", "abort", unasked="no keys").as_expected


def test_a_cell_is_asked_unless_the_server_lacks_something_for_it() -> None:
    asked = Asked(rows.NAMES, tuple(rows.FEATURES), {"browser": "no page", "wrong-key": "no keys"})
    assert asked.unasked("browser", "plain") == "no page"
    assert asked.unasked("browser", "stranger") == ""
    assert asked.unasked("openai", "plain") == ""
    assert asked.unasked("openai", "wrong-key") == "no keys"


def test_clients_and_features_are_chosen_by_name() -> None:
    assert chosen({}, "CLIENTS", rows.NAMES) == rows.NAMES
    assert chosen({"CLIENTS": "browser,openai"}, "CLIENTS", rows.NAMES) == ("browser", "openai")
    with pytest.raises(Fault, match="CLIENTS=curl is unknown"):
        chosen({"CLIENTS": "curl"}, "CLIENTS", rows.NAMES)


def test_the_table_has_a_row_a_client_and_a_mark_a_cell() -> None:
    cells = [Cell("openai", "plain", 1), Cell("litellm", "abort", 1)]
    text = page.text(cells, TOLD)
    head, _, openai, _, _, litellm, browser = [t for t in text.splitlines() if t.startswith("|")]
    assert head.count("|") == browser.count("|") == len(rows.FEATURES) + 2
    assert openai.startswith("| `openai` | ✓ |  |")
    assert litellm.count("✓") == 1
    assert "✓" not in browser
    assert "2 requests on 2026-11-28, commit `abc1234`, vLLM 0.32.0, tiny-llama: x 1" in text


def test_the_page_takes_the_table_between_its_marks() -> None:
    whole = (REPO / page.PAGE).read_text()
    text = page.text([Cell("openai", "plain", 1)], TOLD)
    written = page.put_into(whole, text)
    assert text in written
    assert page.put_into(written, text) == written
    with pytest.raises(ValueError, match="has no"):
        page.put_into("no marks", text)


@pytest.mark.parametrize(
    ("cell", "is_whole", "why"),
    [
        (Cell("openai", "plain", 1), True, ""),
        (Cell("openai", "plain", 1), False, "a part"),
        (Cell("openai", "plain", 1, ("0 records",)), True, "not as expected"),
        (Cell("openai", "plain", unasked="no keys"), True, "1 of 1 cells were not asked"),
    ],
)
def test_only_a_whole_and_good_run_is_written(cell: Cell, is_whole: bool, why: str) -> None:
    found = page.unwritten([cell], is_whole)
    assert bool(found) is bool(why) and why in found

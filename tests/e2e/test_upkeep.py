"""A backup of the running stack, whichever way it runs; nothing is put back or deleted under it."""

import json
from pathlib import Path

import pytest

from stack.commands.backup import backup
from stack.commands.bill import bill
from stack.commands.clean import clean
from stack.commands.restore import restore
from stack.errors import Fault
from stack.settings import Settings
from stack.upkeep import archive
from tests.e2e.client import Client
from tests.e2e.stores import samples

_SLACK = 1e-6
"""Relative: sums of microdollars as floats."""


def told(stack: Settings, **values: str) -> Settings:
    return Settings(stack.repo, stack.state, stack.cache, {**stack.values, **values})


def test_a_running_server_is_backed_up_and_left_alone(
    stack: Settings, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.chat("What is this worth?").status == 200
    before = samples()["llm_bill_microdollars_total"]
    assert backup(told(stack, TO=str(tmp_path))) == 0
    after = samples()["llm_bill_microdollars_total"]
    (path,) = tmp_path.iterdir()
    found = archive.read(path)
    rows = json.loads(found.state["ledger.json"])["books"]
    bill = sum(amount for key, amount in rows if key[0] == "part") / 1000
    assert before * (1 - _SLACK) <= bill <= after * (1 + _SLACK)
    assert b"devices:" in found.given["prices.yaml"]
    monkeypatch.setenv("CONFIRM", "yes")
    for command in (restore, clean):
        with pytest.raises(Fault, match="the stack is up"):
            command(told(stack, FROM=str(path), TO=str(tmp_path)))
    assert client.chat("Still there?").status == 200


def test_the_month_of_the_running_server_adds_up(
    stack: Settings, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.chat("Whose month is this?").status == 200
    before = samples()["llm_bill_month_microdollars"]
    capsys.readouterr()
    assert bill(told(stack, FORMAT="json")) == 0
    found = json.loads(capsys.readouterr().out)
    after = samples()["llm_bill_month_microdollars"]
    billed = sum(row["x_BilledNanodollars"] for row in found["rows"])
    assert found["adds_up"] and billed == found["bill_nanodollars"]
    assert before * (1 - _SLACK) <= billed / 1000 <= after * (1 + _SLACK)
    mine = next(row for row in found["rows"] if row["SubAccountId"] == "default")
    assert mine["x_BilledNanodollars"] > 0 and mine["x_PriceListCost"] is not None

"""`make bill`: a month out of books that the server's own ledger wrote, exact and proven."""

import csv
import datetime
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ledger.bill import Part
from server.ledger.books import FILE, BookFile
from server.ledger.calendar import Periods
from server.ledger.kept_periods import KeptPeriods
from server.ledger.money import Till
from server.record.request import Outcome
from stack.commands.bill import bill
from stack.errors import Fault
from stack.settings import Settings
from stack.upkeep import focus, month
from tests.unit.helpers import record
from tests.unit.stack.upkeeping import checkout, told

HOUR = 3_600_000_000_000
EVE = datetime.datetime(2026, 9, 30, 23, 59, 59, tzinfo=datetime.UTC)
LATER = datetime.datetime(2026, 11, 28, tzinfo=datetime.UTC)


class Server:
    """A till and its periods, as one process has them, on a clock that the test turns."""

    def __init__(self, folder: Path) -> None:
        self.now = EVE.timestamp()
        self.file = BookFile(folder)
        self.periods = Periods(self.file.periods, lambda: self.now, lambda: self.now, "boot")
        self.till = Till(lambda: 3_600_001, self.periods, self.file.carried)
        self.open = 0

    def request(self, tenant: str, model: str, nanoseconds: int) -> None:
        self.till.book_request(
            self.till.pay(nanoseconds), record(model=model, tenant=tenant, outcome=Outcome.OK)
        )
        self.periods.add_spend(tenant, model, Decimal("2.5"))

    def keep(self) -> None:
        self.file.write(self.till.books, self.open, 0, self.periods.state())


def state_of(settings: Settings) -> Path:
    folder = settings.state / "server"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def two_months(settings: Settings) -> None:
    server = Server(state_of(settings))
    server.request("acme", "m", 7)
    server.request("acme", "org/m", HOUR)
    server.till.pay_part(Part.IDLE, HOUR + 1)
    settled = server.till.pay(11_000)
    server.now += 2
    server.till.book_request(settled, record(model="m", tenant="beta", outcome=Outcome.ABORTED))
    server.till.pay_part(Part.STALL, 5 * HOUR)
    server.till.book_lost(server.till.pay(HOUR))
    server.keep()


def asked(
    settings: Settings, capsys: pytest.CaptureFixture[str], form: str, of: str
) -> tuple[int, str, str]:
    status = bill(told(settings, MODE="native", FORMAT=form, MONTH=of))
    out = capsys.readouterr()
    return status, out.out, out.err


def csv_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def books(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((state_of(settings) / FILE).read_text())
    return found


def test_a_month_is_billed_by_tenant_and_model_to_the_nanodollar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = checkout(tmp_path)
    two_months(settings)
    status, out, err = asked(settings, capsys, "csv", "2026-10")
    rows = csv_of(out)
    assert status == 0
    by_part = {row["x_CostPart"]: row for row in rows}
    assert (by_part["requests"]["SubAccountId"], by_part["requests"]["ResourceId"]) == ("beta", "m")
    # Settled before midnight, recorded after it: the month before has it in flight.
    assert by_part["in_flight"]["BilledCost"] == "-0.000000011"
    assert by_part["stall"]["BilledCost"] == "18.000005000"
    assert by_part["lost"]["BilledCost"] == "3.600001000"
    # No row is a sum of others: what a spreadsheet sums is the bill.
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("21.600006")
    assert "✓ all lines = the bill" in err and "21,600,006,000" in err
    assert {row["BillingPeriodStart"] for row in rows} == {"2026-10-01T00:00:00Z"}
    assert {row["ChargePeriodEnd"] for row in rows} == {"2026-11-01T00:00:00Z"}


def test_a_model_may_have_a_slash_and_what_is_not_known_is_absent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = checkout(tmp_path)
    two_months(settings)
    _, out, err = asked(settings, capsys, "csv", "2026-09")
    rows = csv_of(out)
    named = {row["ResourceId"]: row for row in rows if row["SubAccountId"]}
    assert named["org/m"]["BilledCost"] == "3.600001000"
    assert named["org/m"]["x_PriceListCost"] == "0.000002500"
    assert json.loads(named["org/m"]["Tags"]) == {
        "tenant": "acme", "model": "org/m", "part": "requests",
    }  # fmt: skip
    idle = next(row for row in rows if row["x_CostPart"] == "idle")
    assert (idle["x_PriceListCost"], idle["SubAccountId"]) == ("", "")
    assert "the books begin in 2026-09" in err


def test_who_used_nothing_and_was_sold_nothing_has_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = checkout(tmp_path)
    server = Server(state_of(settings))
    server.till.pay_part(Part.IDLE, HOUR)
    server.till.book_request(0, record(model="other", tenant="acme"))
    server.keep()
    status, out, _ = asked(settings, capsys, "csv", "2026-09")
    assert status == 0 and {row["SubAccountId"] for row in csv_of(out)} == {""}


def test_json_has_the_proof_beside_the_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = checkout(tmp_path)
    two_months(settings)
    _, out, _ = asked(settings, capsys, "json", "2026-10")
    found = json.loads(out)
    assert found["adds_up"] and found["bill_nanodollars"] == 21_600_006_000
    assert sum(row["x_BilledNanodollars"] for row in found["rows"]) == 21_600_006_000
    _, table, _ = asked(settings, capsys, "", "2026-10")
    assert "beta" in table and "21.600006000" in table and "✓" in table


@pytest.mark.parametrize(
    "what", ["used/acme/m", "part/idle", "bill", "known", "booked", "spend", "sold/acme/m"]
)
def test_a_bill_that_does_not_add_up_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    settings = checkout(tmp_path)
    two_months(settings)
    found = books(settings)
    stretch = next(s for s in found["periods"]["stretches"] if s["day"] == "2026-09-30")
    less = -1 if what in ("bill", "spend") else 1
    stretch["sums"][what] = max(0, stretch["sums"][what] + 10_000 * less)
    (state_of(settings) / FILE).write_text(json.dumps(found))
    with pytest.raises(Fault, match="does not add up"):
        bill(told(settings, MODE="native", FORMAT="csv", MONTH="2026-09"))
    assert "✗" in capsys.readouterr().err


def test_what_an_older_server_booked_is_called_unattributed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = checkout(tmp_path)
    folder = state_of(settings)
    older = KeptPeriods({}, {"2026-09": {"bill": 500, "spend": 70, "spend/acme": 70}}, "boot")
    BookFile(folder).write(Server(folder).till.books, 0, 0, older)
    server = Server(folder)
    server.request("acme", "m", HOUR)
    server.keep()
    status, out, err = asked(settings, capsys, "csv", "2026-09")
    (row,) = (row for row in csv_of(out) if row["x_CostPart"] == "unattributed")
    assert (status, row["BilledCost"]) == (0, "0.000000500")
    assert row["x_PriceListCost"] == "0.000000070"
    assert "2026-09 is known in part" in err


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("2026-13", "is no month"),
        ("november", "is no month"),
        ("2026-11-01", "is no month"),
        ("2026-1", "is no month"),
        ("2026-12", "has not begun"),
        ("2099-01", "has not begun"),
    ],
)
def test_a_month_that_is_none_or_has_not_begun_is_refused(named: str, said: str) -> None:
    with pytest.raises(Fault, match=said) as refused:
        month.asked(named, LATER)
    assert refused.value.code == 2


def test_this_month_is_meant_by_default_and_by_utc() -> None:
    east = datetime.datetime.fromisoformat("2026-12-01T05:00:00+09:00")
    assert month.asked("", east) == "2026-11"


def test_a_month_that_is_not_kept_is_no_bill_of_nothing(tmp_path: Path) -> None:
    settings = checkout(tmp_path)
    two_months(settings)
    with pytest.raises(Fault, match=r"no bill of 2026-08: they hold 2026-09, 2026-10"):
        bill(told(settings, MODE="native", MONTH="2026-08"))
    with pytest.raises(Fault, match="FORMAT=xml is unknown"):
        bill(told(settings, MODE="native", FORMAT="xml"))


def test_a_month_that_goes_on_is_a_bill_so_far(tmp_path: Path) -> None:
    settings = checkout(tmp_path)
    two_months(settings)
    state = {FILE: (state_of(settings) / FILE).read_bytes()}
    in_it = datetime.datetime(2026, 10, 5, tzinfo=datetime.UTC)
    assert "2026-10 is not over" in month.read(state, "here", "2026-10", in_it).notes[0]
    assert month.read(state, "here", "2026-10", LATER).notes == ()


@pytest.mark.parametrize("sums", [{"bill": -1}, {"bill": 1.5}, {"bill": True}, {"bill": "1"}, []])
def test_books_whose_months_are_none_are_refused(sums: object) -> None:
    ledger = {"version": 2, "books": [], "periods": {"month": {"2026-10": sums}, "stretches": []}}
    with pytest.raises(Fault, match="has no months"):
        month.read({FILE: json.dumps(ledger).encode()}, "here", "2026-10", LATER)


@pytest.mark.parametrize(
    "name", ["=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]
)
def test_a_name_is_no_formula_in_a_spreadsheet(name: str) -> None:
    line = month.Line(month.REQUESTS, name, name, 1)
    found = month.Bill("2026-10", (line,), 1, (), ())
    (row,) = csv_of(focus.to_csv(found))
    assert row["SubAccountId"] == row["ResourceId"] == f"'{name}"
    assert json.loads(row["Tags"])["tenant"] == name
    # JSON opens in no spreadsheet as it is, and keeps the name.
    assert json.loads(focus.to_json(found))["rows"][0]["SubAccountId"] == name


NAMES = st.sampled_from(["a", "b-c", "other"])
EVENTS = st.lists(
    st.tuples(st.sampled_from(["use", "open", "idle", "lose", "pass"]), NAMES,
              st.integers(0, 10**12)), max_size=30,
)  # fmt: skip


@given(EVENTS)
def test_every_month_adds_up_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, str, int]]
) -> None:
    folder, accounts = tmp_path_factory.mktemp("state"), list[int]()
    server = Server(folder)
    for what, name, time in events:
        if what == "use" and accounts:
            server.till.book_request(accounts.pop(), record(model=f"x/{name}", tenant=name))
        elif what == "open":
            accounts.append(server.till.pay(time))
        elif what == "idle":
            server.till.pay_part(Part.IDLE, time)
        elif what == "lose" and accounts:
            server.till.book_lost(accounts.pop())
        else:
            server.now += time % (40 * 86400)
    server.till.pay_part(Part.IDLE, 1)
    server.keep()
    state = {FILE: (folder / FILE).read_bytes()}
    months = json.loads(state[FILE])["periods"]
    held = {*months["month"], *(each["day"][:7] for each in months["stretches"])}
    bills = [month.read(state, "here", each, LATER.replace(year=2030)) for each in held]
    assert all(each.adds_up for each in bills)
    assert len(held) > 12 or sum(each.nanodollars for each in bills) == sum(
        amount for key, amount in server.till.books.items() if key[0] == "part"
    ) + sum(accounts)

"""The books outlive a process: where one ends the next goes on, and a counter never falls."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ledger import bill_metrics
from server.ledger.bill import Books, Part
from server.ledger.bill_metrics import Bookkeeper, keys
from server.ledger.books import FILE, MOST_KEYS, BookFile
from server.ledger.calendar import Periods
from server.ledger.device_ledger import Ledger
from server.ledger.kept_periods import KeptPeriods
from server.settings import SettingsError
from server.storage import durable
from server.wire.report import Settlement
from tests.unit.helpers import hook_failures
from tests.unit.ledger.test_ledger import SECOND, owner, ready, report

STALL = ("part", Part.STALL.value)
LOST = ("part", Part.LOST.value)
PATIENCE = 60.0
"""Seconds for what has to come about; less would ask how fast the disk is."""


def books(**parts: int) -> Books:
    return Counter({("part", name): amount for name, amount in parts.items()})


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk writes when it is asked and is waited for: no second passes into a test by itself."""
    monkeypatch.setattr(bill_metrics, "SAVE_SECONDS", 60 * PATIENCE)
    monkeypatch.setattr(bill_metrics, "SCRAPE_PATIENCE_SECONDS", PATIENCE)


@pytest.fixture
def keepers() -> Iterator[list[Bookkeeper]]:
    made: list[Bookkeeper] = []
    yield made
    for keeper in made:
        keeper._writer.end(PATIENCE)


def keep(folder: Path | None, ledger: Ledger | None = None, start: bool = True) -> Bookkeeper:
    file = BookFile(folder)
    found = Bookkeeper(ledger or Ledger(0, lambda: 0, None, file.carried), file, Periods())
    if start:
        found.start()
    return found


def test_what_was_counted_goes_on_in_the_next_process(tmp_path: Path) -> None:
    BookFile(tmp_path).write(
        books(idle=100, stall=7), 5, 2, KeptPeriods({"2026-11-27": {"bill": 3}})
    )
    found = BookFile(tmp_path)
    assert found.carried == books(idle=100, stall=7, lost=5)
    assert (found.unbilled, found.periods) == (2, KeptPeriods({"2026-11-27": {"bill": 3}}))


OLD = {
    "books": [["part", "idle", 100], ["model", "m", "ok", 9]],
    "seen": [["part", "idle", 60]],
    "left": [["part", "lost", 4]],
    "open": 2,
    "periods": {"day": {"name": "2026-11-27", "sums": {"spend": 8}},
                "month": {"name": "2026-11", "sums": {"spend": 80}}},
}  # fmt: skip


def test_what_the_version_before_kept_goes_on_too(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(OLD))
    found = BookFile(tmp_path)
    assert found.carried == books(idle=100, lost=6) + Counter({("model", "m", "ok"): 9})
    assert found.periods.day == {"2026-11-27": {"spend": 8}}
    assert found.periods.month == {"2026-11": {"spend": 80}}
    (old,) = tmp_path.glob("ledger.v1-*.json")
    assert json.loads(old.read_text()) == OLD, "whoever goes back needs it"


def test_books_of_before_go_on_where_no_copy_of_them_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(json.dumps(OLD))

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "replace", refuse)
    assert BookFile(tmp_path).carried[STALL] == 0
    assert "cannot be kept (No space left on device)" in caplog.text


def test_books_of_a_newer_server_stop_the_start_and_stay(tmp_path: Path) -> None:
    text = json.dumps({"version": 3, "ledgers": {}})
    (tmp_path / FILE).write_text(text)
    with pytest.raises(SettingsError, match=r"version 3, this server reads up to 2: run the newer"):
        BookFile(tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == [text]


GOOD = {
    "version": 2, "books": [[["part", "idle"], 1]], "open": 0, "unbilled": 0, "periods": {},
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", "\ufeff{}", '{"books": 1}', '{"books": [["a"]]}', "\x00" * 40,
     *(json.dumps({name: value for name, value in GOOD.items() if name != gone}) for gone in GOOD),
     *(json.dumps({name: value for name, value in OLD.items() if name != gone}) for gone in OLD),
     *(json.dumps({**GOOD, "version": odd}) for odd in (1, 0, -3, 2.5, "3", None, True)),
     json.dumps({**GOOD, "more": 1}),
     json.dumps({**GOOD, "open": -1}), json.dumps({**GOOD, "open": 1.5}),
     json.dumps({**GOOD, "books": [[["part", "idle"], -1]]}),
     json.dumps({**GOOD, "books": [[["part", "what"], 1]]}),
     json.dumps({**GOOD, "books": [[[], 1]]}), json.dumps({**GOOD, "books": [[["model", "m"], 1]]}),
     json.dumps({**GOOD, "periods": {"day": {"2026-11-27": 3}}}),
     json.dumps({**GOOD, "periods": {"week": {}}}),
     json.dumps({**GOOD, "periods": {"stretches": [{"begun": 1}]}})],
)  # fmt: skip
def test_a_file_that_is_no_books_is_set_aside_and_said(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(text)
    found = BookFile(tmp_path)
    assert (found.carried, found.unbilled, found.periods) == (Counter(), 0, KeptPeriods())
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith("ledger.bad-") and aside.read_text() == text
    (said,) = caplog.messages
    assert FILE in said and aside.name in said and "begin at 0" in said
    BookFile(tmp_path).write(books(idle=1), 0, 0, KeptPeriods())
    assert BookFile(tmp_path).carried == books(idle=1)


def test_good_books_are_good(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(GOOD))
    assert BookFile(tmp_path).carried == books(idle=1)


def test_without_a_folder_nothing_is_kept() -> None:
    BookFile(None).write(books(idle=1), 0, 0, KeptPeriods())
    assert BookFile(None).carried == Counter()


class Story:
    """Processes one after another, and a Prometheus that sums over resets as increase() does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counted = self.seen = self._last = 0
        self.full = False
        self.start()

    def start(self) -> None:
        """The process before is killed, without a word."""
        file = BookFile(self.folder)
        self.counted = file.carried[STALL]
        self.ledger = Ledger(0, lambda: 0, None, file.carried)
        self.keeper = Bookkeeper(self.ledger, file, Periods())

    def count(self, amount: int) -> None:
        self.counted += amount
        self.ledger.books[STALL] += amount

    def save(self) -> None:
        if not self.full:
            self.keeper._keep()

    def disk_is_full(self) -> None:
        self.full = True

    def disk_has_room(self) -> None:
        self.full = False

    def scrape(self) -> None:
        self.save()
        value = self.keeper._kept.books[STALL]
        self.seen += value - self._last if value >= self._last else value
        self._last = value

    def killed_before_a_scrape_is_sent(self) -> None:
        self.save()
        self.start()


EVENTS = (
    "save", "scrape", "start", "killed_before_a_scrape_is_sent", "disk_is_full", "disk_has_room",
)  # fmt: skip


@given(st.lists(st.one_of(st.integers(1, 10**6), st.sampled_from(EVENTS)), max_size=60))
def test_whoever_scrapes_and_whenever_it_is_killed_prometheus_sees_what_was_kept(
    tmp_path_factory: pytest.TempPathFactory, events: list[int | str]
) -> None:
    story = Story(tmp_path_factory.mktemp("books"))
    for event in events:
        if isinstance(event, int):
            story.count(event)
        else:
            getattr(story, event)()
        assert story.seen <= story.counted
    story.disk_has_room()
    story.scrape()
    assert story.seen == story.counted


def test_a_process_that_is_killed_loses_what_was_open_and_nothing_else(
    tmp_path: Path, keepers: list[Bookkeeper]
) -> None:
    first = Ledger(0, lambda: 3_600_000)
    keepers.append(keep(tmp_path, first))
    first.ready(SECOND)
    busy = report(9 * SECOND, origin=SECOND, idle=4 * SECOND, stall=3 * SECOND, open=SECOND)
    first.receive(busy, owner)
    assert keepers[0]._writer.ask(PATIENCE)
    second = BookFile(tmp_path)
    assert second.carried[STALL] == 3_000_000
    assert second.carried[LOST] == second.unbilled >= 1_000_000


def exposed(keeper: Bookkeeper) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        sample.name: {
            tuple(s.labels.values()): s.value for s in family.samples if s.name == sample.name
        }
        for family in keeper.collect()
        for sample in family.samples
    }


def test_every_known_label_set_is_there_before_the_first_request() -> None:
    known = tuple(keys(["m"], ["t"]))
    found = exposed(Bookkeeper(ready(), BookFile(None), Periods(), lambda: known))
    assert found["llm_tenant_gpu_cost_microdollars_total"] == {("t",): 0.0}
    assert set(found["llm_gpu_cost_microdollars_total"]) == {
        ("m", outcome) for outcome in ("ok", "client_error", "server_error", "aborted", "timeout")
    }
    assert set(found["llm_bill_microdollars_total"]) == {(part.value,) for part in Part}
    assert found["llm_device_price_microdollars_per_second"] == {(): 1000.0}


def test_without_a_price_there_is_no_money_and_never_a_zero() -> None:
    found = exposed(Bookkeeper(ready(None), BookFile(None), Periods(), lambda: keys("m", "t")))
    assert set(found) == {
        "llm_ledger_error_seconds", "llm_ledger_age_seconds", "llm_step_model_version",
    }  # fmt: skip


def test_the_end_of_a_process_is_in_its_books(tmp_path: Path) -> None:
    keep(tmp_path, ready()).close(died=True, patience=PATIENCE)
    kept = json.loads((tmp_path / FILE).read_text())
    assert ["part", "lost"] in [row[0] for row in kept["books"]]
    assert kept["open"] == 0


@pytest.mark.parametrize("amount", [0, 7])
def test_books_that_do_not_hold_what_was_paid_are_said_at_the_end(
    amount: int, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = ready()
    ledger.books[STALL] -= amount
    keep(None, ledger).close(died=False, patience=PATIENCE)
    assert (f"{amount} nanodollars were paid" in caplog.text) == bool(amount)


def bill(keeper: Bookkeeper) -> dict[tuple[str, ...], float]:
    return exposed(keeper)["llm_bill_microdollars_total"]


def test_a_scrape_shows_the_books_of_its_moment_once_they_are_kept(
    tmp_path: Path, keepers: list[Bookkeeper]
) -> None:
    ledger = ready()
    keepers.append(keep(tmp_path, ledger))
    ledger.books[STALL] += 5000
    assert bill(keepers[0])["stall",] == 5.0
    assert BookFile(tmp_path).carried[STALL] == 5000


@pytest.mark.parametrize("error", [28, 13, 30], ids=["ENOSPC", "EACCES", "EROFS"])
def test_a_disk_that_takes_nothing_moves_no_money(
    tmp_path: Path, keepers: list[Bookkeeper], monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    ledger = ready()
    keepers.append(keep(tmp_path, ledger))
    ledger.books[STALL] += 1000
    before = bill(keepers[0])

    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(durable.os, "replace", refuse)
    ledger.books[STALL] += 1000
    with hook_failures("ledger", 1):
        assert bill(keepers[0]) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE]
    # A process that starts now goes on from what Prometheus has seen.
    assert BookFile(tmp_path).carried[STALL] == 1000
    monkeypatch.undo()
    assert bill(keepers[0])["stall",] == 2.0


def test_a_disk_that_hangs_delays_no_scrape_and_shows_its_age(
    tmp_path: Path, keepers: list[Bookkeeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ready()
    keepers.append(keep(tmp_path, ledger))
    began = time.monotonic()
    before = bill(keepers[0])
    hung, write = threading.Event(), durable.replace
    monkeypatch.setattr(bill_metrics, "SCRAPE_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(
        durable, "replace", lambda path, data: (hung.wait(PATIENCE), write(path, data))[1]
    )
    ledger.books[STALL] += 1000
    for _ in range(3):
        time.sleep(0.02)
        found = exposed(keepers[0])
    assert found["llm_bill_microdollars_total"] == before
    assert 0.05 < found["llm_ledger_age_seconds"][()] <= time.monotonic() - began
    hung.set()
    assert keepers[0]._writer.ask(PATIENCE)
    assert bill(keepers[0])["stall",] == before.get(("stall",), 0.0) + 1.0


def test_an_end_does_not_wait_for_a_disk_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hung, waited = threading.Event(), list[bool]()
    monkeypatch.setattr(durable, "replace", lambda *_: waited.append(hung.wait(PATIENCE)))
    keep(tmp_path, ready()).close(died=False, patience=0.1)
    assert waited == [], "the end came after the disk's"
    assert "could not be kept" in caplog.text
    hung.set()


class Machine:
    """A ledger with its periods on disk, of one process after another, at an odd price."""

    def __init__(self, folder: Path) -> None:
        file = BookFile(folder)
        self.periods = Periods(file.periods)
        self.ledger = Ledger(0, lambda: 3_600_000, self.periods, file.carried)
        self.keeper = Bookkeeper(self.ledger, file, self.periods)


def settlement(name: str, nanoseconds: int) -> Settlement:
    return Settlement(name, nanoseconds, 10, 5, 0, 1, 0, 2)


def test_after_a_kill_the_day_is_billed_what_the_books_hold(tmp_path: Path) -> None:
    first = Machine(tmp_path)
    first.ledger.ready(0)
    first.ledger.open("r", lambda: None)
    first.ledger.begin_call(0)
    first.ledger.end_call("r", ["r/1", "r/2"])
    half = (settlement("r/1", 5 * SECOND),)
    first.ledger.receive(report(10 * SECOND, half, open=5 * SECOND), owner)
    with first.ledger.still():
        page, periods = first.keeper._look(), first.periods.state()
    BookFile(tmp_path).write(page.books, page.open.nanodollars, page.open.unsettled, periods)
    second = Machine(tmp_path)
    billed = second.periods.billed("day")
    assert sum(amount for key, amount in second.ledger.books.items() if key[0] == "part") == billed
    assert billed >= 10_000_000


def test_nothing_is_booked_between_the_books_and_the_periods_of_a_page(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.ledger.ready(0)
    state, seen = machine.periods.state, []

    def while_looking() -> KeptPeriods:
        late = threading.Thread(target=machine.ledger.receive, args=(report(SECOND), owner))
        late.start()
        late.join(0.1)
        seen.append(late.is_alive())
        return state()

    machine.periods.state = while_looking  # type: ignore[method-assign]
    machine.keeper._keep()
    assert seen == [True], "a report was booked in between"


@pytest.mark.parametrize("error", [13, 5, 24, 116], ids=["EACCES", "EIO", "EMFILE", "ESTALE"])
def test_books_that_cannot_be_read_stop_the_start_and_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    (tmp_path / FILE).write_text(json.dumps(GOOD))

    def refuse(_: Path) -> bytes:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", refuse)
        with pytest.raises(
            SettingsError, match=r"LLM_SERVER_STATE_DIR: .*ledger\.json cannot be read"
        ):
            BookFile(tmp_path)
    assert BookFile(tmp_path).carried == books(idle=1)


def test_a_bad_file_that_cannot_be_set_aside_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE).write_text("{")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(SettingsError, match="move it away"):
        BookFile(tmp_path)
    assert (tmp_path / FILE).read_text() == "{"


def test_models_and_tenants_of_the_past_are_kept_and_not_shown(tmp_path: Path) -> None:
    past: Books = Counter()
    past["part", Part.REQUESTS] = 9000
    for table in (("model", "old", "ok"), ("tenant", "old")):
        past[table] = 5000
    for table in (("model", "m", "ok"), ("tenant", "t")):
        past[table] = 4000
    BookFile(tmp_path).write(past, 0, 0, KeptPeriods())
    file = BookFile(tmp_path)
    ledger = Ledger(0, lambda: 0, None, file.carried)
    keeper = Bookkeeper(ledger, BookFile(None), Periods(), lambda: keys(["m"], ["t"]))
    found = exposed(keeper)
    assert found["llm_tenant_gpu_cost_microdollars_total"] == {("t",): 4.0}
    assert found["llm_gpu_cost_carried_microdollars"] == {("model",): 4.0, ("tenant",): 4.0}
    ledger.books["tenant", "old"] += 1000
    found = exposed(keeper)
    assert found["llm_tenant_gpu_cost_microdollars_total"] == {("t",): 4.0, ("old",): 6.0}
    assert found["llm_gpu_cost_carried_microdollars"]["tenant",] == 9.0


def test_a_file_holds_so_many_names_and_first_those_in_use(tmp_path: Path) -> None:
    file = BookFile(tmp_path)
    many: Books = Counter({("tenant", f"t{n}"): 1 for n in range(MOST_KEYS + 50)})
    file.write(many, 0, 0, KeptPeriods())
    second = BookFile(tmp_path)
    assert len(second.carried) == MOST_KEYS
    second.write(second.carried + Counter({("tenant", "t60"): 1, ("tenant", "new"): 1}), 0, 0,
                 KeptPeriods())  # fmt: skip
    third = BookFile(tmp_path)
    assert len(third.carried) == MOST_KEYS
    assert third.carried["tenant", "t60"] == 2 and third.carried["tenant", "new"] == 1

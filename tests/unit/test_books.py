"""The books outlive a process: nothing is counted twice, and what was lost shows as lost."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.bookkeeper import Bookkeeper, keys
from server.books import FILE, BookFile, Books, Part
from server.ledger import Ledger
from server.periods import Periods
from tests.unit.test_ledger import SECOND, owner, ready, report

IDLE = ("part", Part.IDLE.value)
STALL = ("part", Part.STALL.value)


def books(**parts: int) -> Books:
    return Counter({("part", name): amount for name, amount in parts.items()})


def test_what_nobody_saw_is_left_for_the_next_process(tmp_path: Path) -> None:
    written = books(idle=100, stall=7)
    BookFile(tmp_path).write(written, books(idle=60), Counter(), 5, {"day": {}})
    found = BookFile(tmp_path)
    assert found.left == books(idle=40, stall=7, lost=5)
    assert (found.open, found.periods) == (5, {"day": {}})


def test_what_was_left_and_not_carried_is_left_again(tmp_path: Path) -> None:
    BookFile(tmp_path).write(books(idle=3), books(idle=3), books(idle=40, lost=5), 2, {})
    assert BookFile(tmp_path).left == books(idle=40, lost=7)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"books": 1}', '{"books": [["a"]]}'])
def test_unreadable_books_are_said_and_start_anew(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(text)
    assert BookFile(tmp_path).left == Counter()
    assert text == "[]" or "cannot be read" in caplog.text


def test_without_a_folder_nothing_is_kept() -> None:
    BookFile(None).write(books(idle=1), Counter(), Counter(), 0, {})
    assert BookFile(None).left == Counter()


class Story:
    """Processes one after another, and a Prometheus that sums over resets as increase() does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counted = self.seen = self._last = 0
        self.start()

    def start(self) -> None:
        self.ledger = Ledger(0, lambda: 0)
        self.keeper = Bookkeeper(self.ledger, BookFile(self.folder), Periods({}), ())
        self.scrape()

    def count(self, amount: int) -> None:
        self.counted += amount
        self.ledger.add(Counter({STALL: amount}))

    def save(self) -> None:
        self.keeper.save()

    def scrape(self) -> None:
        list(self.keeper.collect())
        self.keeper.seen()
        value = self.ledger.books[STALL]
        self.seen += value - self._last if value >= self._last else value
        self._last = value

    def carry(self) -> None:
        self.keeper.carry()

    def killed_before_a_scrape_is_sent(self) -> None:
        list(self.keeper.collect())
        self.keeper.seen()
        self.start()


EVENTS = ("save", "scrape", "start", "carry", "killed_before_a_scrape_is_sent")


@given(st.lists(st.one_of(st.integers(1, 10**6), st.sampled_from(EVENTS)), max_size=60))
@settings(deadline=None)
def test_prometheus_never_sees_more_than_was_counted(
    tmp_path_factory: pytest.TempPathFactory, events: list[int | str]
) -> None:
    story = Story(tmp_path_factory.mktemp("books"))
    for event in events:
        if isinstance(event, int):
            story.count(event)
        else:
            getattr(story, event)()
        assert story.seen <= story.counted


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
@settings(deadline=None)
def test_what_was_saved_before_each_kill_is_seen_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[int]
) -> None:
    story = Story(tmp_path_factory.mktemp("books"))
    for amount in amounts:
        story.count(amount)
        story.save()
        story.start()
    story.carry()
    story.scrape()
    assert story.seen == story.counted == sum(amounts)


def test_a_process_that_saves_and_is_scraped_loses_nothing(tmp_path: Path) -> None:
    first = Ledger(0, lambda: 3_600_000)
    keeper = Bookkeeper(first, BookFile(tmp_path), Periods({}), ())
    first.ready(SECOND)
    first.receive(report(5 * SECOND, origin=SECOND, idle=4 * SECOND), owner)
    list(keeper.collect())
    keeper.seen()
    first.receive(report(9 * SECOND, origin=SECOND, idle=4 * SECOND, stall=4 * SECOND), owner)
    keeper.save()
    second = Ledger(0, lambda: 3_600_000)
    keeper = Bookkeeper(second, BookFile(tmp_path), Periods({}), ())
    assert second.books == Counter()
    keeper.carry()
    assert second.books[STALL] == second.carried[STALL] == 4_000_000


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
    found = exposed(Bookkeeper(ready(), BookFile(None), Periods({}), known))
    assert found["llm_tenant_gpu_cost_microdollars_total"] == {("t",): 0.0}
    assert set(found["llm_gpu_cost_microdollars_total"]) == {
        ("m", outcome) for outcome in ("ok", "client_error", "server_error", "aborted", "timeout")
    }
    assert set(found["llm_bill_microdollars_total"]) == {(part.value,) for part in Part}
    assert found["llm_device_price_microdollars_per_second"] == {(): 1000.0}


def test_without_a_price_there_is_no_money_and_never_a_zero() -> None:
    found = exposed(Bookkeeper(ready(None), BookFile(None), Periods({}), tuple(keys("m", "t"))))
    assert set(found) == {"llm_ledger_error_seconds", "llm_step_model_version"}


def test_the_end_of_a_process_is_in_its_books(tmp_path: Path) -> None:
    ledger = ready()
    Bookkeeper(ledger, BookFile(tmp_path), Periods({}), ()).close(died=True)
    kept = json.loads((tmp_path / FILE).read_text())
    assert ["part", "lost"] in [row[:2] for row in kept["books"]]
    assert kept["open"] == 0


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    from tests.unit.helpers import hook_failures

    keeper = Bookkeeper(ready(), BookFile(tmp_path / "gone"), Periods({}), ())
    with hook_failures("ledger", 1):
        keeper.save()

"""The timeline: every nanosecond in one span, one settlement, or open; and none twice."""

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from server.ledger.bill import Part
from server.ledger.timeline import Span, Timeline
from server.wire.report import Report, Settlement

TIME = st.integers(0, 10**10)
START = 5 * 10**9


class Story:
    """An engine that tells the truth, and a timeline that hears of it and of the clock."""

    def __init__(self, origin: int, ready: int) -> None:
        self.origin = self.cursor = START + origin
        self.now = START + ready
        self.idle = self.stall = self.open = self.settled = 0
        self.found: Counter[Part] = Counter()
        self.timeline = Timeline(START)
        self.take(self.timeline.tick(self.now, busy=False))
        self.timeline.ready()
        self.now = max(self.now, self.origin)

    def take(self, spans: Iterable[Span]) -> None:
        for part, nanoseconds in spans:
            assert nanoseconds > 0
            self.found[part] += nanoseconds

    def rest(self, nanoseconds: int, looked: bool) -> None:
        """Nobody asks for anything; the engine says nothing of it until it has work again."""
        self.now += nanoseconds
        if looked:
            self.take(self.timeline.tick(self.now, busy=self.open > 0))

    def step(self, nanoseconds: int, stall: int, settled: int, lost: int = 0) -> Report:
        """What has passed is told: as idle unless something was open, then a step of this length.

        Of what is open so many nanoseconds are settled; of those, `lost` are not told.
        """
        waited, self.cursor = self.now - self.cursor, self.now + nanoseconds + stall
        self.take(self.timeline.tick(self.now + nanoseconds // 2, busy=True))
        self.idle += 0 if self.open else waited
        self.open += nanoseconds + (waited if self.open else 0)
        self.stall += stall
        self.now = self.cursor
        settled = min(settled, self.open)
        self.open -= settled
        told = max(0, settled - lost)
        self.settled += told
        settlements = (Settlement("r", told, 1, 1, 0, 1, 0, 0),)
        return Report(
            self.origin, self.cursor, self.idle, self.stall, self.open, 0, None, "", settlements
        )

    def hear(self, report: Report) -> None:
        self.take(self.timeline.receive(report))

    def hear_late(self, nanoseconds: int) -> None:
        """A report in which nothing was done is older than what the clock has told."""
        report = self.step(0, 0, 0)
        self.rest(nanoseconds, looked=True)
        self.hear(report)

    def check(self) -> None:
        assert self.timeline.error == 0
        assert self.timeline.taken == self.found.total() + self.settled
        assert self.timeline.taken + self.timeline.open(self.now) == self.now - START


RESTS = st.tuples(TIME, st.booleans())
STEPS = st.tuples(TIME, st.just(0) | TIME, TIME)
LATE = st.tuples(TIME)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """An engine that began before or after the server was ready, in the middle of its life."""
    story = Story(draw(TIME), draw(TIME))
    for event in draw(st.lists(RESTS | STEPS | LATE, max_size=40)):
        if len(event) == 1:
            story.hear_late(*event)
        elif len(event) == 2:
            story.rest(*event)
        else:
            story.hear(story.step(*event))
        story.check()
    return story


@given(stories())
def test_every_nanosecond_is_in_one_place_at_every_report(story: Story) -> None:
    story.hear(story.step(1, 0, 0))
    story.check()
    assert story.found[Part.LOST] == 0
    assert story.found[Part.STALL] == story.stall
    assert story.found[Part.IDLE] + story.found[Part.START_UP] >= story.idle


@given(stories(), st.integers(1, 10**9))
def test_what_is_not_told_is_the_error_to_the_nanosecond(story: Story, lost: int) -> None:
    story.hear(story.step(lost, 0, lost, lost))
    assert story.timeline.error == lost


@given(stories(), st.integers(1, 10**9))
def test_what_is_told_twice_is_the_error_below_zero(story: Story, twice: int) -> None:
    report = story.step(twice, 0, 0)
    more = (*report.settlements, Settlement("r", twice, 1, 1, 0, 1, 0, 0))
    story.hear(report._replace(settlements=more))
    assert story.timeline.error == -twice


@given(stories(), TIME, st.lists(TIME, max_size=5))
def test_after_a_fault_all_time_is_lost_and_no_report_counts(
    story: Story, until: int, later: list[int]
) -> None:
    before, spent = Counter(story.found), story.settled
    story.now += until
    story.take(story.timeline.fail(story.now, "KeyError in _done"))
    for nanoseconds in later:
        story.now += nanoseconds
        story.take(story.timeline.tick(story.now, busy=False))
    assert story.timeline.taken == story.now - START
    assert story.found - before == Counter({Part.LOST: story.now - START - spent - before.total()})
    assert story.timeline.open(story.now + 1) == 0


@given(stories(), TIME, st.booleans())
def test_at_the_end_nothing_is_open(story: Story, until: int, died: bool) -> None:
    if not died:
        story.hear(story.step(0, 0, 10**12))
    end = story.now + until
    story.take(story.timeline.lose(end) if died else story.timeline.end(end))
    assert story.timeline.taken == end - START
    assert story.timeline.open(end) == 0
    assert died or story.found[Part.LOST] == 0

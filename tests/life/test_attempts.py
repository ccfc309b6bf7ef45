"""Of a story that ends in between: what counts as an attempt, and how long its run had to wait."""

from dataclasses import replace

import pytest

from app.engine import Ending
from tests.life.attempts import BEGUN
from tests.life.evidence import Arrival, Evidence, Span, Takeover, Trace
from tests.life.ledger import Line
from tests.life.oracle import Oracle

LOST, OTHER = 101, 102
WAITING = Trace.PAYLOAD | Trace.QUEUED
STORY = Evidence(
    accepted=["run"],
    traces={"run": WAITING},
    endings={},
    lines=[Line(what="tried", run="run", attempt=1, pid=LOST, at=1)],
    lease=2,
    killed={LOST: 3},
    queues={"run": "mail"},
    arrivals=[Arrival(pid=LOST, at=0, queues=["mail"]), Arrival(pid=OTHER, at=0, queues=["mail"])],
    is_whole=False,
)
AGAIN = Line(what="tried", run="run", attempt=2, pid=OTHER, at=8)


def test_a_run_may_wait_when_a_story_ends() -> None:
    assert Oracle(STORY).breaches == []
    assert [each.invariant for each in Oracle(replace(STORY, is_whole=True)).breaches] == ["I1"]


def test_what_was_kept_of_an_end_may_be_gone() -> None:
    gone = replace(STORY, traces={"run": Trace(0)})

    assert Oracle(replace(gone, endings={"run": [Ending.SUCCEEDED]})).breaches == []
    assert [each.invariant for each in Oracle(gone).breaches] == ["I1"]


def test_the_first_line_of_an_attempt_is_its_beginning() -> None:
    late = replace(STORY, lines=[*STORY.lines, AGAIN, replace(AGAIN, at=20)])

    assert Oracle(late).tally().recoveries == [5]
    assert [each.invariant for each in Oracle(late).breaches] == ["I5"]


def test_of_an_attempt_that_wrote_nothing_its_event_tells() -> None:
    heard = replace(STORY, heard={("run", 2, OTHER): Span(6, 7)})

    assert Oracle(heard).tally().recoveries == [3]


def test_of_an_attempt_that_was_never_over_the_journal_tells() -> None:
    taken = Takeover(run="run", loser=LOST, has_lapsed=True)
    silent = replace(STORY, lines=[AGAIN], takeovers=[taken])

    assert Oracle(silent).tally().recoveries == [5]


def test_what_ended_before_its_worker_was_killed_had_not_to_recover() -> None:
    over = {("run", 1, LOST): Span(1, 2), ("run", 2, OTHER): Span(60, 61)}

    assert Oracle(replace(STORY, heard=over)).tally().recoveries == []


@pytest.mark.parametrize(("queues", "waited"), [(["mail"], 1), (["notes"], 5)])
def test_it_waits_since_there_is_another_worker_for_it(queues: list[str], waited: float) -> None:
    came = [Arrival(pid=OTHER, at=7, queues=queues), Arrival(pid=103, at=3, queues=["mail"])]
    killed = {LOST: 3, 103: 3} if queues == ["mail"] else {LOST: 3}
    later = replace(STORY, lines=[*STORY.lines, AGAIN], arrivals=came, killed=killed)

    assert Oracle(later).tally().recoveries == [waited]


def test_a_run_that_has_not_begun_again_when_a_story_ends_is_late() -> None:
    until = replace(STORY, until=9.0)

    assert [each.invariant for each in Oracle(until).breaches] == ["I5"]
    assert Oracle(replace(until, until=6.0)).breaches == []
    assert Oracle(replace(until, outages=[Span(4, 8)])).breaches == []
    ended = replace(until, endings={"run": [Ending.CANCELLED]}, traces={"run": Trace.FINISHED})
    assert Oracle(ended).breaches == []


def test_only_what_tells_its_end_overlaps() -> None:
    untold = replace(STORY, killed={}, lines=[*STORY.lines, AGAIN])
    told = [replace(each, what=BEGUN) for each in untold.lines]

    assert Oracle(untold).breaches == []
    assert [each.invariant for each in Oracle(replace(untold, lines=told)).breaches] == ["I4"]

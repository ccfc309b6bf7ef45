"""The oracle says no to each kind of lie, and to nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.engine import Ending, hours, seconds
from app.storage.position import Gap
from tests.life.attempts import BEGUN, ENDED, LEFT
from tests.life.evidence import Evidence, Life, Span, Takeover, Trace
from tests.life.ledger import Line
from tests.life.oracle import REPLAYS, Oracle
from tests.life.promises import EFFECT, STEPPED, place

ONE, OTHER = 101, 102
DEAD = Trace.LETTER | Trace.LISTED | Trace.KEPT | Trace.RESULT
GOOD = Evidence(
    accepted=["done", "again", "dead"],
    traces={"done": Trace.RESULT, "again": Trace.FINISHED, "dead": DEAD},
    endings={"done": [Ending.SUCCEEDED], "again": [Ending.SUCCEEDED], "dead": [Ending.DEAD]},
    history={"done": Ending.SUCCEEDED, "again": Ending.SUCCEEDED, "dead": Ending.DEAD},
    lines=[
        Line(what=BEGUN, run="done", attempt=1, pid=OTHER, at=1),
        Line(what=EFFECT, run="done", attempt=1, pid=OTHER, at=2, key="a"),
        Line(what=ENDED, run="done", attempt=1, pid=OTHER, at=3, key="a"),
        Line(what=BEGUN, run="again", attempt=1, pid=ONE, at=3),
        Line(what=BEGUN, run="dead", attempt=1, pid=OTHER, at=4),
        Line(what=LEFT, run="dead", attempt=1, pid=OTHER, at=5),
        Line(what=BEGUN, run="again", attempt=2, pid=OTHER, at=12),
        Line(what=EFFECT, run="again", attempt=2, pid=OTHER, at=13, key="b"),
        Line(what=ENDED, run="again", attempt=2, pid=OTHER, at=14, key="b"),
    ],
    lease=2,
    killed={ONE: 4},
    outages=[Span(6, 10)],
    lives=[Life(pid=ONE, started=0, ended=4), Life(pid=OTHER, started=0)],
)


def line(what: str, run: str, *, pid: int = OTHER, at: float, key: str = "") -> Line:
    """One more line."""
    return Line(what=what, run=run, attempt=1, pid=pid, at=at, key=key)


def also(*lines: Line) -> dict[str, Any]:
    """The good case with more lines."""
    return {"lines": sorted([*GOOD.lines, *lines], key=lambda each: each.at)}


def at_work(run: str, begun: float, gone: float) -> tuple[Line, Line]:
    """An attempt where there is room for one."""
    begins = Line(what=BEGUN, run=run, attempt=9, pid=OTHER, at=begun, key=place(1, "sole 7"))
    return begins, Line(what=LEFT, run=run, attempt=9, pid=OTHER, at=gone)


def traced(**traces: Trace) -> dict[str, Any]:
    """The good case with other traces."""
    return {"traces": {**GOOD.traces, **traces}}


def ended(**endings: Any) -> dict[str, Any]:
    """The good case with other endings."""
    return {"endings": {**GOOD.endings, **endings}}


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def gap(*, missed: int = 1, until: datetime = NOON) -> Gap:
    """What a recorder says that it missed, in the hour before."""
    return Gap(epoch=1, missed=missed, since=NOON - hours(1), until=until)


def lacking(*gaps: Gap) -> dict[str, Any]:
    """The good case with a history that knows nothing of one run, which ended at noon."""
    history = {run: ending for run, ending in GOOD.history.items() if run != "done"}
    return {"history": history, "ended_at": {"done": NOON}, "gaps": gaps}


LIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "a lost run": ("I1", {"accepted": [*GOOD.accepted, "lost"]}),
    "a run that never ended": ("I1", traced(done=Trace.PAYLOAD | Trace.QUEUED)),
    "a payload without a queue": ("I1", traced(done=Trace.PAYLOAD)),
    "both over and waiting": ("I1", traced(done=Trace.RESULT | Trace.PAYLOAD | Trace.QUEUED)),
    "over and no commit": ("I1", ended(done=[], dead=[Ending.DEAD])),
    "dead, said to be a success": ("I1", ended(dead=[Ending.SUCCEEDED])),
    "another story in the history": ("I1", {"history": {**GOOD.history, "done": Ending.DEAD}}),
    "a success nobody did": ("I2", {"lines": [each for each in GOOD.lines if each.run != "done"]}),
    "a dead letter without payload": ("I2", traced(dead=Trace.LETTER | Trace.LISTED)),
    "an effect twice": ("I3", also(line(EFFECT, "done", at=2.5, key="a"))),
    "an effect that never happened": ("I3", also(line(ENDED, "done", at=3.5, key="c"))),
    "a step that was taken twice": (
        "I3",
        also(
            line(STEPPED, "done", at=2, key="first a"), line(STEPPED, "done", at=3, key="first b")
        ),
    ),
    "two commits": ("I4", ended(done=[Ending.SUCCEEDED, Ending.SUCCEEDED])),
    "cancelled and done": ("I4", ended(done=[Ending.CANCELLED, Ending.SUCCEEDED])),
    "two at once": ("I4", also(line(BEGUN, "done", pid=103, at=2))),
    "two at once in one process": ("I4", also(line(BEGUN, "done", at=2))),
    "taken from the living": (
        "I4",
        {"takeovers": [Takeover(run="done", loser=OTHER, has_lapsed=False)]},
    ),
    "done twice by the living": (
        "I4",
        also(line(BEGUN, "done", pid=103, at=5), line(ENDED, "done", pid=103, at=6, key="a")),
    ),
    "too many in one place": ("I4", also(*at_work("done", 1, 3), *at_work("again", 2, 4))),
    "begun again for nothing": (
        "I4",
        {"killed": {ONE: 4, OTHER: 20}}
        | also(line(BEGUN, "done", pid=103, at=5), line(ENDED, "done", pid=103, at=6, key="a")),
    ),
    "a slow recovery": ("I5", {"outages": []}),
    "a slow recovery after an outage": ("I5", {"outages": [Span(4, 7)]}),
    "a suspect that nobody tries": (
        "I5",
        {"takeovers": [Takeover(run="again", loser=ONE, has_lapsed=True, is_suspect=True)]}
        | {"outages": [], "lease": 1.9},
    ),
    "blamed in vain": (
        "I2",
        {"lines": [each for each in GOOD.lines if each.run != "dead" or each.what == BEGUN]}
        | {"killed": {ONE: 4, OTHER: 20}},
    ),
    "a worker that ended by itself": ("I6", {"killed": {}, "lines": GOOD.lines[:3]}),
    "a worker that can't start": (
        "I6",
        {"lives": [*GOOD.lives, Life(pid=103, started=11, ended=12, has_opened=False)]},
    ),
    "a torn sample": ("I7", {"torn": ["run done was in two places"]}),
    "a leaked key": ("I8", {"leaked": ["arq:retry:done: its run is over"]}),
}


def test_a_good_case_is_not_blamed() -> None:
    tally = Oracle(GOOD).demand()

    assert (tally.accepted, tally.completed, tally.rerun, tally.dead) == (3, 2, 1, 1)
    assert (tally.effects, tally.recoveries) == (2, [2.0])


@pytest.mark.parametrize(("invariant", "change"), LIES.values(), ids=LIES.keys())
def test_a_lie_is_seen(invariant: str, change: dict[str, Any]) -> None:
    oracle = Oracle(replace(GOOD, **change))

    assert invariant in {each.invariant for each in oracle.breaches}, oracle.said()
    with pytest.raises(AssertionError, match=invariant):
        oracle.demand()


def test_a_dead_letter_that_is_run_again_is_gone_and_its_run_is_still_dead() -> None:
    again = also(line(REPLAYS, "done", at=2, key="dead"))

    tally = Oracle(replace(GOOD, **again, **traced(dead=Trace.RESULT))).demand()

    assert (tally.dead, tally.redriven) == (1, 1)


def test_one_after_the_other_there_is_room() -> None:
    after = also(*at_work("done", 1, 3), *at_work("again", 3.5, 4))

    assert not [each for each in Oracle(replace(GOOD, **after)).breaches if "room" in each.what]


def test_a_lost_run_is_told_with_its_story() -> None:
    begun = also(line(BEGUN, "lost", pid=ONE, at=3.5))
    oracle = Oracle(replace(GOOD, accepted=[*GOOD.accepted, "lost"], receipts={"lost": 3}, **begun))

    assert (
        "run lost did not end: nothing is left; receipt; +0.50 s begun by 101, +1.00 s 101 killed,"
        " +3.00 s Redis away for 4.00 s"
    ) in oracle.said()


def test_the_history_may_lack_what_its_recorder_says_it_missed() -> None:
    assert Oracle(replace(GOOD, **lacking(gap()))).breaches == []


@pytest.mark.parametrize("gaps", [[], [gap(until=NOON - seconds(1))], [gap(missed=0)]])
def test_nothing_else_may_be_missing_there(gaps: list[Gap]) -> None:
    assert [each.invariant for each in Oracle(replace(GOOD, **lacking(*gaps))).breaches] == ["I1"]


def test_a_suspect_waits_for_its_trial_and_no_longer() -> None:
    suspect = Takeover(run="again", loser=ONE, has_lapsed=True, is_suspect=True)

    oracle = Oracle(replace(GOOD, takeovers=[suspect], outages=[]))  # 8 s, twice two leases

    assert oracle.demand().recoveries == []


def test_three_deaths_in_a_row_are_a_reason() -> None:
    lines = [each for each in GOOD.lines if each.run != "dead" or each.what == BEGUN]
    deaths = [Takeover(run="dead", loser=OTHER, has_lapsed=True)] * 3

    assert Oracle(replace(GOOD, lines=lines, killed={ONE: 4, OTHER: 20}, takeovers=deaths)).demand()


def test_an_expired_lease_excuses_an_overlap() -> None:
    lapsed = Takeover(run="done", loser=OTHER, has_lapsed=True)
    twice = also(line(BEGUN, "done", pid=103, at=2), line(ENDED, "done", pid=103, at=5, key="a"))

    assert Oracle(replace(GOOD, takeovers=[lapsed], **twice)).breaches == []


def test_who_took_it_over_may_be_killed_before_it_began() -> None:
    taken = Takeover(run="again", loser=103, has_lapsed=True)
    later = replace(GOOD, outages=[], killed={ONE: 4, 103: 9}, takeovers=[taken])

    assert Oracle(later).demand().recoveries == [3.0]


def test_only_what_was_at_work_had_to_recover() -> None:
    failed = also(line(LEFT, "again", pid=ONE, at=3.5))

    assert Oracle(replace(GOOD, outages=[], **failed)).demand().recoveries == []


def test_what_is_to_be_tried_alone_may_wait() -> None:
    suspect = Takeover(run="again", loser=ONE, has_lapsed=True, is_suspect=True)

    assert Oracle(replace(GOOD, outages=[], takeovers=[suspect])).breaches == []


def test_a_worker_may_give_up_starting_while_redis_is_away() -> None:
    in_vain = Life(pid=103, started=5, ended=7, has_opened=False)

    assert Oracle(replace(GOOD, lives=[*GOOD.lives, in_vain])).breaches == []


def test_many_breaches_are_told_shortly() -> None:
    nothing = replace(GOOD, traces={}, accepted=[f"run {n}" for n in range(50)])

    assert Oracle(nothing).said().endswith("and 30 more")


def test_recovery_is_told_by_share() -> None:
    tally = replace(Oracle(GOOD).tally(), recoveries=[float(n) for n in range(1, 101)])

    assert (tally.recovery(0.5), tally.recovery(0.99), tally.recovery(1)) == (50, 99, 100)

"""Everything that can go wrong at once, in small; scripts/chaos does the same at length."""

from dataclasses import replace

import pytest

from storm import table
from storm.faults import Faults
from storm.options import options
from storm.plan import Demands, Plan
from storm.storm import Passing, passed
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

FAULTS = Faults(seconds=2.0, kills=3, restarts=1, toxic=2, connections=40, previous=3, started=6)


@pytest.mark.case(2)
@pytest.mark.timeout(600)
async def test_a_storm_loses_nothing(tier: Tier, seed: int, case: Case) -> None:
    plan = Plan(
        seed=seed,
        runs=tier.of(2_000, 10_000),
        pace=tier.of(300, 400),
        limit=tier.of(4, 2),
        has_database=tier is not Tier.T1,  # the command's own storm has none
        is_shared=True,  # with other tests; the command has the machine for itself
        restart_every=tier.of(3, 6),
        demands=Demands(kill_every=tier.bound(0.7, loose=1.5)),
    )

    async with passed(plan, lambda _: None) as verdict:
        assert verdict.wrong == [], "\n".join(verdict.wrong)
        tally = verdict.oracle.tally()
        said = table.whole(verdict)

    end, faults = verdict.end, verdict.end.faults
    case.says(
        f"{tally.accepted:,} runs, a worker killed every {faults.kill_every:.2f} s, Redis"
        f" {faults.restarts} times, {faults.toxic_share:.0%} of connections toxic,"
        f" {faults.previous_share:.0%} of workers of the previous release, seed {seed}",
        arq="of 2,000 runs 0 lost, 180 completed twice or more, 24 workers ended",
        steward=f"0 lost, {tally.rerun} re-run of {tally.in_flight} in flight, {tally.cancelled}"
        f" cancelled, {tally.effects} effects, none twice, recovery p99"
        f" {tally.recovery(0.99):.1f} s",
    )
    assert tally.accepted == tally.completed + tally.dead + tally.cancelled
    assert tally.accepted > 0.9 * plan.runs  # some keys are held, some runs run again
    assert min(end.samples, tally.effects, tally.cancelled, tally.redriven) > 0
    assert "0 lost" in said.splitlines()[-1]


def test_the_command_says_what_it_wants() -> None:
    usual, timed = options([]), options(["--minutes", "2", "--seed", "3", "--no-cases"])

    assert (usual.plan.runs, usual.plan.seed, usual.with_cases) == (100_000, 7, True)
    assert (timed.plan.seconds, timed.plan.seed, timed.with_cases) == (120, 3, False)
    assert options(["--soak=60"]).soak == 60
    assert usual.soak == 0


@pytest.mark.parametrize(
    "wrong", [["--soak=0"], ["--runs=0"], ["--minutes=nan"], ["--minutes=-1"], ["--all"]]
)
def test_a_wrong_command_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        options(wrong)

    assert "scripts/chaos: error" in capsys.readouterr().err


def test_a_storm_has_a_least_of_each_fault() -> None:
    enough, plan = replace(FAULTS, restarts=3), Plan(seed=7, runs=3)

    assert list(enough.lacking(plan)) == []
    assert list(replace(enough, seconds=3.0).lacking(plan)) == [
        "a worker was killed every 1.00 s, not 0.7 s"
    ]
    assert list(FAULTS.lacking(plan)) == ["Redis was killed 1 times, not 3"]
    assert list(replace(enough, toxic=1).lacking(plan)) == [
        "2.5% of connections were toxic, not 5%"
    ]
    assert list(replace(enough, previous=2).lacking(plan)) == [
        "33% of workers were of the previous release, not 40%"
    ]


def test_it_tells_how_it_stands() -> None:
    passing = Passing(seconds=12.3, accepted=1_500, over=900, faults=FAULTS, samples=100)

    assert table.standing(passing) == (
        "  12 s: 1,500 accepted, 900 over; 3 workers and 1 times Redis killed, 2 connections toxic"
    )

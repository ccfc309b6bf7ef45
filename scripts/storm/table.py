"""What a storm says: how it stands, and what came of it."""

from storm.storm import Passing, Verdict
from tests.life.tally import Tally


def standing(passing: Passing) -> str:
    """One line while it lasts."""
    return (
        f"{passing.seconds:4.0f} s: {passing.accepted:,} accepted, {passing.over:,} over;"
        f" {passing.kills} workers and {passing.restarts} times Redis killed,"
        f" {passing.toxic} connections toxic"
    )


def whole(verdict: Verdict) -> str:
    """The table, what is wrong if anything is, and the last line."""
    tally, end = verdict.oracle.tally(), verdict.end
    rows = {
        "accepted": tally.accepted,
        "completed": tally.completed,
        "dead": tally.dead,
        "of them run again": tally.redriven,
        "cancelled": tally.cancelled,
        "re-run": tally.rerun,
        "in flight at kills": tally.in_flight,
        "effects": tally.effects,
        "workers killed": end.kills,
        "Redis killed": end.restarts,
        "toxic connections": end.toxic,
        "runs sampled": end.samples,
    }
    lines = [f"{name:<20}{number:>10,}" for name, number in rows.items()]
    lines += [
        f"{f'recovery p{share * 100:g}, s':<20}{tally.recovery(share):>10.2f}"
        for share in (0.5, 0.99, 1)
    ]
    if verdict.oracle.breaches:
        lines += ["", verdict.oracle.said()]
    return "\n".join([*lines, "", last_line(verdict, tally)])


def last_line(verdict: Verdict, tally: Tally) -> str:
    """All of it in one sentence."""
    broken = len(verdict.oracle.breaches)
    missing = tally.accepted - tally.completed - tally.dead - tally.cancelled
    return (
        f"storm {verdict.plan.seed}: of {tally.accepted:,} runs {tally.completed:,} completed,"
        f" {tally.cancelled:,} cancelled, {tally.dead:,} dead, {missing:,} lost;"
        f" {tally.rerun:,} re-run, {tally.effects:,} effects;"
        f" recovery p50 {tally.recovery(0.5):.1f} s, p99 {tally.recovery(0.99):.1f} s;"
        f" {f'{broken:,} BREACHES' if broken else 'every promise kept'}"
    )

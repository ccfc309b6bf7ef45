"""What a storm says: how it stands, and what came of it."""

from storm.storm import Passing, Verdict
from tests.life.tally import Tally


def standing(passing: Passing) -> str:
    """One line while it lasts."""
    return (
        f"{passing.seconds:4.0f} s: {passing.accepted:,} accepted, {passing.over:,} over;"
        f" {passing.faults.kills} workers and {passing.faults.restarts} times Redis killed,"
        f" {passing.faults.toxic} connections toxic"
    )


def whole(verdict: Verdict) -> str:
    """The table, what is wrong if anything is, and the last line."""
    tally, end = verdict.oracle.tally(), verdict.end
    faults = end.faults
    rows = {
        "accepted": tally.accepted,
        "completed": tally.completed,
        "dead": tally.dead,
        "of them run again": tally.redriven,
        "cancelled": tally.cancelled,
        "re-run": tally.rerun,
        "in flight at kills": tally.in_flight,
        "effects": tally.effects,
        "runs sampled": end.samples,
        "workers killed": faults.kills,
        "Redis killed": faults.restarts,
        "toxic connections": faults.toxic,
    }
    times = {f"recovery p{share * 100:g}, s": tally.recovery(share) for share in (0.5, 0.99, 1)} | {
        "it raged for, s": faults.seconds,
        "a worker killed, s": faults.kill_every,
        "toxic, %": 100 * faults.toxic_share,
        "previous release, %": 100 * faults.previous_share,
        "all over after, s": end.calm,
    }
    lines = [f"{name:<20}{number:>10,}" for name, number in rows.items()]
    lines += [f"{name:<20}{number:>10.2f}" for name, number in times.items()]
    if verdict.wrong:
        lines += ["", *verdict.wrong]
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
        f"{'; TOO FEW FAULTS' if verdict.lacking else ''}"
    )

"""What a history may lack: its recorder says when it came too late, and for how many."""

from tests.life.evidence import Evidence


def missed(evidence: Evidence) -> set[str]:
    """The runs whose end lies in a gap of the history: no more than it says are missing."""
    history, ended_at = evidence.history, evidence.ended_at
    unknown = sorted(
        (ended_at[run], run) for run in evidence.accepted if run not in history and run in ended_at
    )
    found = set[str]()
    for gap in evidence.gaps:
        lacking = [
            run
            for at, run in unknown
            if run not in found and at <= gap.until and (gap.since is None or gap.since <= at)
        ]
        found.update(lacking[: gap.missed])
    return found

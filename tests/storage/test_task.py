from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.storage.task import Occurrence, TaskCounts, TaskStatus

LEGAL = {
    ("active", "paused"),
    ("active", "completed"),
    ("active", "failed"),
    ("paused", "active"),
    ("paused", "completed"),
    ("paused", "failed"),
    ("completed", "active"),
    ("failed", "active"),
}


@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("target", TaskStatus)
def test_a_status_is_left_for_legal_ones_only(status: TaskStatus, target: TaskStatus) -> None:
    stays = status is target

    assert status.may_become(target) == (stays or (status.value, target.value) in LEGAL)


def test_an_occurrence_has_one_id_wherever_it_is_named() -> None:
    due = datetime(2026, 11, 23, 8, tzinfo=UTC)

    here = Occurrence.of(7, due)
    there = Occurrence.of(7, due.astimezone(timezone(timedelta(hours=9))))

    assert here.run_id == there.run_id == "task-7-20261123T080000Z"
    assert here.again().run_id.startswith("task-7-20261123T080000Z.")


@pytest.mark.parametrize(
    ("counts", "total", "pending", "rate"),
    [
        (TaskCounts(), 0, 0, None),
        (TaskCounts(active=2, paused=1), 3, 3, None),
        (TaskCounts(active=1, completed=3, failed=1), 5, 1, 75.0),
    ],
)
def test_the_success_rate_is_of_what_is_over(
    counts: TaskCounts, total: int, pending: int, rate: float | None
) -> None:
    assert (counts.total, counts.pending, counts.success_rate) == (total, pending, rate)

"""`queues` and `schedules`: what waits, who works, what comes next."""

from datetime import datetime
from itertools import pairwise

from app.queues import NAMES
from tests.cli.command import Command


def test_queues_shows_every_queue_and_worker(started_steward: Command) -> None:
    started_steward("enqueue", "email.send_notification", "1", "Hi", "m", "--delay", "1h")

    told = started_steward("queues", "--json").json()

    depths = {each["queue"]: each for each in told["queues"]}
    (worker,) = told["workers"]
    assert tuple(depths) == NAMES
    assert depths["email"]["deferred"] == 1
    assert tuple(worker["queues"]) == NAMES


def test_queues_says_when_nobody_works(steward: Command) -> None:
    done = steward("queues")

    assert done.code == 0
    assert "No worker is running" in done.out


def test_a_job_is_named_where_its_schedule_is_called_otherwise(steward: Command) -> None:
    title, *_ = steward("schedules", "next").out.splitlines()

    assert title.split() == ["NEXT", "AT", "SCHEDULE", "QUEUE"]


def test_schedules_lists_the_timetable(steward: Command) -> None:
    rows = {each["schedule"]: each for each in steward("schedules", "--json").json()}

    assert rows["files.cleanup_temp_files"]["cron"] == "0 2 * * *"
    assert rows["ai.process_due_tasks"]["queue"] == "ai"


def test_the_next_ticks_come_in_order(steward: Command) -> None:
    ticks = steward("schedules", "next", "70", "--json").json()

    moments = [datetime.fromisoformat(each["next_at"]) for each in ticks]
    assert len(ticks) == 70
    assert all(one <= other for one, other in pairwise(moments))
    assert len({each["schedule"] for each in ticks}) > 2

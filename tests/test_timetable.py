"""The timetable: what it names exists, and fires when it fired in the system before this one."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from app.engine import Schedule
from app.engine.schedule import refuse_duplicates
from app.jobs import JOBS
from app.timetable import TIMETABLE

START = datetime(2026, 2, 26, 23, 59, tzinfo=UTC)  # a Thursday, shortly before a month's end
MINUTE = timedelta(minutes=1)
YEAR = 366 * 24 * 60  # minutes
MOST = 3_000  # ticks: two days of the schedule that fires each minute, years of a daily one

Fires = Callable[[datetime], bool]

FIRES: dict[str, Fires] = {
    "ai.process_due_tasks": lambda _: True,
    "ai.evaluate_events": lambda at: at.minute % 15 == 0,
    "ai.probe_scheduler": lambda at: at.minute % 30 == 0,
    "ai.cleanup_old_logs": lambda at: (at.hour, at.minute) == (2, 0),
    "email.process_email_queue": lambda at: at.minute % 5 == 0,
    "email.send_daily_summary": lambda at: at.minute % 15 == 0,
    "sync.sync_email_services": lambda at: at.minute % 30 == 0,
    "sync.sync_calendar_events": lambda at: at.minute == 0,
    "sync.sync_user_preferences": lambda at: at.minute == 15,
    "sync.sync_notion_pages": lambda at: at.minute == 0 and at.hour % 2 == 0,
    "sms.process_sms_retries": lambda at: at.minute % 2 == 0,
    "sms.cleanup_old_retries": lambda at: (at.hour, at.minute) == (3, 0),
    "sms.sms_health": lambda at: at.minute % 15 == 0,
    "files.backup_user_data": lambda at: (at.isoweekday(), at.hour, at.minute) == (7, 1, 0),
    "files.cleanup_temp_files": lambda at: (at.hour, at.minute) == (2, 0),
    "maintenance.cleanup_old_logs": lambda at: (at.hour, at.minute) == (3, 0),
    "maintenance.optimize_database": lambda at: (at.isoweekday(), at.hour, at.minute) == (7, 3, 0),
    "maintenance.cleanup_old_sessions": lambda at: (at.hour, at.minute) == (4, 0),
    "maintenance.prune_history": lambda at: (at.hour, at.minute) == (4, 30),
    "maintenance.cleanup_expired_cache": lambda at: at.minute == 0,
    "maintenance.keep_effects": lambda at: at.minute == 30,
    "maintenance.system_health_check": lambda at: at.minute == 0 and at.hour % 2 == 0,
    "maintenance.check_alerts": lambda _: True,
    "maintenance.prune_watch": lambda at: at.minute == 45,
}
"""What each schedule means, without a word of cron; days are `at.isoweekday()`: Sunday is 7."""

EVERY = pytest.mark.parametrize("each", TIMETABLE, ids=[each.name for each in TIMETABLE])


def test_no_two_schedules_share_a_name_and_each_is_known_here() -> None:
    refuse_duplicates(TIMETABLE)

    assert {each.name for each in TIMETABLE} == set(FIRES)


@EVERY
def test_a_schedule_calls_a_job_that_workers_know_in_a_way_it_can_be_called(each: Schedule) -> None:
    job = each.call.job

    assert JOBS[job.name] is job
    assert each.call.packed()


@EVERY
def test_a_schedule_fires_on_the_minutes_it_should_for_a_year(each: Schedule) -> None:
    minutes = (START + number * MINUTE for number in range(1, YEAR))
    expected = list(islice(filter(FIRES[each.name], minutes), MOST))

    assert list(islice(_ticks(each), len(expected))) == expected
    assert each.cron.tz == "UTC"


def _ticks(each: Schedule) -> Iterator[datetime]:
    moment = START
    while True:
        yield (moment := each.cron.next_after(moment))

"""An arq project's settings, read as arq means them."""

from datetime import UTC, timedelta
from typing import Any, ClassVar

import pytest
from arq import create_pool, cron, func
from arq.connections import RedisSettings

from app.engine import DeclarationError
from app.engine.dropin import read_arq_settings


async def water(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None: ...


async def tend(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None: ...


class Garden:
    functions: ClassVar[list[Any]] = [water]
    max_jobs = 3
    max_tries = 2


def test_what_is_not_set_has_arqs_default() -> None:
    found = read_arq_settings({"functions": [water]})

    assert [each.name for each in found.functions] == ["water"]
    assert found.queue_name == "arq:queue"
    assert found.health_check_key == "arq:queue:health-check"
    assert (found.max_jobs, found.max_tries, found.job_timeout) == (10, 5, timedelta(minutes=5))
    assert (found.keep_result, found.job_completion_wait) == (timedelta(hours=1), timedelta(0))
    assert (found.burst, found.max_burst_jobs, found.retry_jobs) == (False, -1, True)
    assert found.redis == RedisSettings()
    assert found.remarks == ()


def test_a_class_may_inherit_its_options() -> None:
    class Night(Garden):
        queue_name = "night"
        max_tries = 7

    found = read_arq_settings(Night)

    assert (found.max_jobs, found.max_tries) == (3, 7)
    assert (found.queue_name, found.health_check_key) == ("night", "night:health-check")
    assert [each.name for each in found.functions] == ["water"]


def test_functions_come_in_every_form() -> None:
    name = f"{__name__}.tend"
    given = [water, func(water, name="again", max_tries=9), name]

    found = read_arq_settings({"functions": given, "cron_jobs": [cron(tend, hour=3)]})

    assert [each.name for each in found.functions] == ["water", "again", name]
    assert found.functions[1].max_tries == 9
    assert [each.name for each in found.cron_jobs] == ["cron:tend"]


def test_lengths_of_time_are_seconds_or_what_they_are() -> None:
    found = read_arq_settings(
        {"functions": [water], "job_timeout": 1.5, "keep_result": timedelta(days=1)}
    )

    assert found.job_timeout == timedelta(seconds=1.5)
    assert found.keep_result == timedelta(days=1)
    assert read_arq_settings({"functions": [water], "job_timeout": None}).job_timeout is None


def test_functions_of_a_class_need_no_staticmethod() -> None:
    given = {"timezone": UTC, "on_startup": water, "on_shutdown": staticmethod(tend)}

    found = read_arq_settings(type("Settings", (Garden,), given))

    assert found.timezone is UTC
    assert (found.on_startup, found.on_shutdown) == (water, tend)


def test_what_has_no_meaning_here_is_told_by_name() -> None:
    class Settings(Garden):
        poll_delay = 0.1
        queue_read_limit = 10
        allow_abort_jobs = True
        log_results = True

    told = [remark.partition(":")[0] for remark in read_arq_settings(Settings).remarks]

    assert told == ["poll_delay", "queue_read_limit", "log_results"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "there is no function and no cron job"),
        ({"functions": [print]}, "functions: .* is not a coroutine function"),
        ({"functions": ["no.such.module"]}, "functions: No module named 'no'"),
        ({"functions": [water], "cron_jobs": [water]}, "cron_jobs must be made by arq.cron"),
        ({"functions": [water], "redis_pool": create_pool}, "give redis_settings"),
        ({"functions": [water], "queue_name": None}, "give redis_settings and queue_name"),
        ({"functions": [water], "max_burst_jobs": 0}, "nothing would ever run"),
        ({"functions": [water], "max_burst_jobs": "all"}, "max_burst_jobs must be a number"),
        ({"functions": [water], "max_jobs": "many"}, "max_jobs must be a number, not 'many'"),
        ({"functions": [water], "max_tries": None}, "max_tries must be a number, not None"),
        ({"functions": [water], "job_timeout": "1"}, "job_timeout must be seconds or a timedelta"),
        ({"functions": [water], "keep_result": None}, "keep_result must be seconds"),
        ({"functions": [water], "health_check_interval": "x"}, "health_check_interval must be"),
    ],
)
def test_what_cannot_be_run_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        read_arq_settings(settings)

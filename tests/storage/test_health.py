from datetime import UTC, datetime, timedelta

from app.storage.database import Database
from app.storage.health import HealthChecks, PastCheck

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


async def test_a_check_that_ended_is_told(database: Database) -> None:
    checks = HealthChecks(database, now=lambda: NOW)

    await checks.finish(await checks.begin(NOW), "healthy", {"parts": []})

    assert await checks.latest() == (
        PastCheck(checked_at=NOW, overall="healthy", report={"parts": []}),
    )


async def test_a_check_that_never_ended_is_not(database: Database) -> None:
    checks = HealthChecks(database, now=lambda: NOW)

    await checks.begin(NOW)

    assert await checks.latest() == ()


async def test_the_latest_come_first_and_a_month_old_ones_go(database: Database) -> None:
    checks = HealthChecks(database, now=lambda: NOW)
    for age in (31, 30, 1, 0):
        await checks.finish(await checks.begin(NOW - timedelta(days=age)), f"{age}", {})

    assert [each.overall for each in await checks.latest()] == ["0", "1", "30"]
    assert len(await checks.latest(limit=1)) == 1

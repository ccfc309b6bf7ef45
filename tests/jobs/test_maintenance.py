import dataclasses
import gzip
import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from app.context import Context
from app.engine import Effect, EffectState, ManualClock, Place, days
from app.jobs.maintenance import (
    EffectsKept,
    cleanup_old_logs,
    keep_effects,
    system_health_check,
)
from app.observability.health import Health
from app.observability.providers import Provider, Providers
from app.services.health_report import Level, ReportStatus
from app.storage.health import HealthChecks


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The folder of the context's logs service."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def write(context: Context, path: Path, *, age: int) -> None:
    path.write_text("a line\n" * 1_000)
    when = (context.client.store.clock.now() - days(age)).timestamp()
    os.utime(path, (when, when))


async def test_old_logs_go_and_yesterdays_are_compressed(context: Context, logs: Path) -> None:
    write(context, logs / "steward.log.2", age=31)
    write(context, logs / "steward.log.1", age=2)
    write(context, logs / "steward.log", age=0)

    cleaned = await cleanup_old_logs(context)

    assert (cleaned.deleted, cleaned.compressed, cleaned.kept) == (1, 1, 2)
    first, second = sorted(os.listdir(logs))
    assert first == "steward.log"
    assert gzip.decompress((logs / second).read_bytes()) == b"a line\n" * 1_000


async def test_a_dry_run_only_tells(context: Context, logs: Path) -> None:
    write(context, logs / "steward.log.2", age=31)

    assert (await cleanup_old_logs(context, dry_run=True)).deleted == 1
    assert os.listdir(logs) == ["steward.log.2"]


async def test_logs_that_can_not_be_looked_at_are_no_success(
    context: Context, tmp_path: Path
) -> None:
    (tmp_path / "logs").write_text("no folder")

    with pytest.raises(OSError, match="Not a directory"):
        await cleanup_old_logs(context)


async def test_a_health_check_asks_every_part(context: Context) -> None:
    report = await system_health_check(context)

    assert {part.name for part in report.parts} >= {"database", "redis", "workers", "disk"}
    assert all(part.measured is not None for part in report.parts)
    levels = {part.name: part.level for part in report.parts}
    assert levels["database"] is levels["redis"] is Level.HEALTHY
    (past,) = await HealthChecks(context.database).latest()
    assert (past.checked_at, past.overall) == (report.checked_at, report.overall)


async def test_what_is_unhealthy_is_a_warning_and_no_failed_job(context: Context) -> None:
    async with context.database.write() as session:
        await session.execute(text("DROP TABLE health_checks"))

    report = await system_health_check(context)

    assert (report.status, report.overall) == (ReportStatus.WARNING, Level.UNHEALTHY)
    assert report.issues[0].startswith("database: ")


async def test_a_provider_that_fails_is_a_warning_and_no_failed_job(
    context: Context, tmp_path: Path
) -> None:
    async def away() -> None:
        raise ConnectionError

    providers = Providers([Provider(name="notes", attempt=away)])
    health = Health(context.database, context.client, tmp_path, providers=providers)

    report = await system_health_check(dataclasses.replace(context, health=health))

    assert report.status is ReportStatus.WARNING
    assert report.issues[-1].startswith("notes: it can't be used (ConnectionError)")


def begun_by(run_id: str, state: EffectState = EffectState.DONE) -> Effect:
    place = Place(run_id=run_id, origin=f"{run_id}@0", name="mail")
    return Effect(place=place, state=state, by="a", job="t.t", attempt=1, worker="w1", since=0)


async def test_effects_are_forgotten_a_week_after_their_run_and_never_while_it_is_there(
    context: Context, clock: ManualClock
) -> None:
    waits = await context.client.enqueue(system_health_check.with_options(delay=days(60)))
    doubt = begun_by("gone", EffectState.IN_DOUBT)
    other = replace(begun_by("gone"), place=Place(run_id="gone", origin="gone@0", name="call"))
    for each in (begun_by(waits.id), doubt, other):
        await context.effects.swap(each.place, None, each, lease="")

    clock.advance(days(7))
    first = await keep_effects(context)
    clock.advance(days(2))
    second = await keep_effects(context)
    clock.advance(days(30))
    third = await keep_effects(context)

    assert first == EffectsKept(alive=1, doubted=0, forgotten=0)
    assert second == EffectsKept(alive=1, doubted=0, forgotten=1)
    assert third == EffectsKept(alive=1, doubted=0, forgotten=0)
    assert await context.effects.in_doubt() == (doubt,)


async def test_an_effect_that_its_run_died_in_the_middle_of_is_found(context: Context) -> None:
    waits = await context.client.enqueue(system_health_check.with_options(delay=days(60)))
    died, lives = begun_by("gone", EffectState.BEGUN), begun_by(waits.id, EffectState.BEGUN)
    died, lives = replace(died, asks=True), replace(lives, asks=True)
    for each in (died, lives, begun_by("repeats", EffectState.BEGUN)):
        await context.effects.swap(each.place, None, each, lease="")

    kept = await keep_effects(context)

    assert kept.doubted == 1
    assert await context.effects.in_doubt() == (replace(died, state=EffectState.IN_DOUBT),)
    assert await context.effects.begun() == (lives,)

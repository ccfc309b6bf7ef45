import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from time import monotonic

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from arq.connections import RedisSettings
from sqlalchemy import text

from app.engine import (
    Client,
    Codec,
    Effect,
    EffectState,
    ManualClock,
    Place,
    WorkerSeen,
    job,
    minutes,
    seconds,
)
from app.engine.redis import keys
from app.engine.redis.connection import make_redis, open_redis
from app.engine.redis.store import Store
from app.observability.health import Health
from app.services.health_report import HealthReport, Level, Part, ReportStatus, Thresholds
from app.storage.database import Database
from app.storage.effects import Effects
from app.storage.health import HealthChecks
from app.storage.outbox import Outbox
from tests import servers
from tests.plugins.cases import Case
from tests.rights import asked
from tests.slow_disk import slow_disk_of

ROOMY = Thresholds(disk=1, disk_full=0, memory=101, memory_full=102, cpu=101)
HASTY = Thresholds(
    disk=1,
    disk_full=0,
    memory=101,
    memory_full=102,
    cpu=101,
    no_answer=timedelta(seconds=0.3),
)
QUEUES = ("ai", "sync")


@job(queue="sync", name="tests.wait_here")
async def wait_here(ctx: object) -> None:
    """Do nothing; nobody will run it."""
    del ctx


@pytest.fixture
async def client(
    clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> AsyncGenerator[Client]:
    async with open_redis(clean_redis) as redis:
        yield Client(Store(redis, clock), codec, queues=QUEUES)


async def alive(client: Client, *queues: str, blocked_ms: int = 0) -> None:
    worker = WorkerSeen(
        id="w1",
        host="here",
        pid=1,
        queues=queues,
        slots=10,
        running=0,
        started_ms=0,
        blocked_ms=blocked_ms,
    )
    await client.store.redis.set(keys.worker(worker.id), worker.pack(), px=60_000)


def part(report: HealthReport, name: str) -> Part:
    return next(each for each in report.parts if each.name == name)


async def test_a_steward_that_works_is_healthy(
    database: Database, client: Client, tmp_path: Path
) -> None:
    await alive(client, *QUEUES)

    report = await Health(database, client, tmp_path, limits=ROOMY).check()

    assert (report.overall, report.status) == (Level.HEALTHY, ReportStatus.SUCCESS)
    assert [each.name for each in report.parts] == [
        "database",
        "redis",
        "queues",
        "workers",
        "outbox",
        "dead letters",
        "effects",
        "disk",
        "memory",
        "cpu",
    ]
    assert all(each.measured is not None for each in report.parts)
    assert report.issues == ()


async def test_an_effect_in_doubt_is_for_a_person(
    database: Database, client: Client, tmp_path: Path
) -> None:
    effect = Effect(
        place=Place(run_id="run-1", origin="run-1@0", name="mail"),
        state=EffectState.IN_DOUBT,
        by="a",
        job="test.job",
        attempt=1,
        worker="w1",
        since=0,
    )
    await Effects(database).swap(effect.place, None, effect, lease="")

    effects = part(await Health(database, client, tmp_path, limits=ROOMY).check(), "effects")

    assert (effects.level, effects.measured) == (Level.DEGRADED, 1)
    assert effects.line == "1 in doubt: see `steward effects`"


async def test_a_check_is_remembered(database: Database, client: Client, tmp_path: Path) -> None:
    report = await Health(database, client, tmp_path, limits=ROOMY).check()

    (past,) = await HealthChecks(database).latest()

    assert (past.overall, past.checked_at) == (report.overall, report.checked_at)
    assert past.report["parts"][0]["name"] == "database"


async def test_checks_are_forgotten_after_a_month(
    database: Database, client: Client, tmp_path: Path, clock: ManualClock
) -> None:
    health = Health(database, client, tmp_path, limits=ROOMY, now=clock.now)
    await health.check()
    clock.advance(timedelta(days=31))

    await health.check()

    assert len(await HealthChecks(database).latest()) == 1


async def test_a_check_leaves_no_key_but_what_the_next_compares_with(
    database: Database, client: Client, tmp_path: Path
) -> None:
    await Health(database, client, tmp_path, limits=ROOMY).check()

    left: list[bytes] = await asked(client.store.redis, "KEYS", "*")
    assert [key for key in left if not key.startswith(keys.SLOW_SYNCS.encode())] == []


@pytest.mark.parametrize(
    ("waited", "level"),
    [(seconds(1), Level.HEALTHY), (minutes(2), Level.DEGRADED), (minutes(20), Level.UNHEALTHY)],
)
async def test_runs_that_stay_in_the_outbox_are_bad_for_its_health(
    database: Database,
    client: Client,
    tmp_path: Path,
    clock: ManualClock,
    waited: timedelta,
    level: Level,
) -> None:
    outbox = Outbox(database, client, now=clock.now)
    async with database.write() as session:
        await outbox.enqueue(session, wait_here)
    clock.advance(waited)

    report = await Health(database, client, tmp_path, limits=ROOMY, now=clock.now).check()

    found = part(report, "outbox")
    assert (found.level, found.line) == (level, "1 wait to be enqueued")
    assert found.measured == pytest.approx(waited.total_seconds(), abs=20)


async def test_a_run_that_cannot_be_enqueued_is_named(
    database: Database, client: Client, tmp_path: Path, clock: ManualClock
) -> None:
    outbox = Outbox(database, client, now=clock.now)
    async with database.write() as session:
        await outbox.enqueue(session, wait_here)
    (waiting,) = await outbox.next(most=1)
    await outbox.put_off(waiting, "at secret.example.org: no")

    report = await Health(database, client, tmp_path, limits=ROOMY, now=clock.now).check()

    found = part(report, "outbox")
    assert found.level is Level.DEGRADED
    assert found.line == "1 wait to be enqueued; 1 can't be, tests.wait_here first: see the log"


async def test_a_worker_that_a_job_blocks_is_told_of(
    database: Database, client: Client, tmp_path: Path
) -> None:
    await alive(client, *QUEUES, blocked_ms=12_300)

    workers = part(await Health(database, client, tmp_path, limits=ROOMY).check(), "workers")

    assert workers.level is Level.DEGRADED
    assert workers.line == "1 alive, 10 slots; jobs block 1 of them, one for 12 s"


@pytest.mark.parametrize(
    ("count", "level"), [(0, Level.HEALTHY), (9_999, Level.HEALTHY), (10_000, Level.DEGRADED)]
)
async def test_too_many_dead_letters_are_told_of(
    database: Database, client: Client, tmp_path: Path, count: int, level: Level
) -> None:
    if count:
        await client.store.redis.zadd(keys.DEAD, {f"run-{n}": n for n in range(count)})

    dead = part(await Health(database, client, tmp_path, limits=ROOMY).check(), "dead letters")

    assert (dead.level, dead.measured) == (level, count)


async def test_a_queue_that_nobody_serves_is_unhealthy(
    database: Database, client: Client, tmp_path: Path
) -> None:
    await alive(client, "ai")

    report = await Health(database, client, tmp_path, limits=ROOMY).check()

    assert part(report, "workers").level is Level.UNHEALTHY
    assert part(report, "workers").line == "1 alive, 10 slots; nobody serves sync"
    assert report.status is ReportStatus.WARNING
    assert report.issues == ("workers: 1 alive, 10 slots; nobody serves sync",)


@pytest.mark.parametrize(
    ("waited", "level"),
    [(0.5, Level.HEALTHY), (2, Level.DEGRADED), (20, Level.UNHEALTHY)],
)
async def test_a_queue_is_as_well_as_its_oldest_run(
    database: Database,
    client: Client,
    tmp_path: Path,
    clock: ManualClock,
    waited: float,
    level: Level,
) -> None:
    await client.enqueue(wait_here)
    clock.advance(minutes(1) * waited)

    report = await Health(database, client, tmp_path, limits=ROOMY).check()

    assert part(report, "queues").level is level
    assert part(report, "queues").measured == pytest.approx(60 * waited, abs=5)
    assert part(report, "queues").line == "1 ready; sync waits longest"


@pytest.mark.case(24)
async def test_runs_that_lost_their_queue_are_an_alarm_that_nobody_asked_for(
    database: Database, client: Client, tmp_path: Path
) -> None:
    await client.enqueue_many(wait_here.call() for _ in range(3))
    await client.store.redis.delete(keys.queue("sync"))

    report = await Health(database, client, tmp_path, limits=ROOMY).check()

    assert part(report, "queues").level is Level.UNHEALTHY
    assert "3 runs lost their queue: `steward doctor --repair`" in part(report, "queues").line
    await client.store.redis.flushdb()


async def test_a_database_that_does_not_take_a_write_is_unhealthy(
    database: Database, client: Client, tmp_path: Path
) -> None:
    health = Health(database, client, tmp_path, limits=HASTY)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        report = await health.check()

    assert part(report, "database").level is Level.UNHEALTHY
    assert "no answer within 0.3 s" in part(report, "database").line
    assert part(report, "redis").level is Level.HEALTHY


async def test_a_database_without_its_tables_is_unhealthy_and_tells_no_sql(
    database: Database, client: Client, tmp_path: Path
) -> None:
    async with database.write() as session:
        await session.execute(text("DROP TABLE health_checks"))

    report = await Health(database, client, tmp_path, limits=ROOMY).check()

    assert part(report, "database").level is Level.UNHEALTHY
    assert part(report, "database").line == "it can't be asked (OperationalError)"


@pytest.mark.case(16)
@pytest.mark.parametrize(
    ("accepted", "level", "said"),
    [
        ((), Level.UNHEALTHY, "set appendonly yes there"),
        (("no-persistence",), Level.HEALTHY, "accepted: no-persistence"),
    ],
)
async def test_a_redis_that_forgets_is_unhealthy_unless_that_is_accepted(
    database: Database,
    codec: Codec,
    tmp_path: Path,
    accepted: tuple[str, ...],
    level: Level,
    said: str,
    case: Case,
) -> None:
    with servers.folder() as place:
        async with (
            servers.running(servers.program("valkey"), place) as server,
            Client.open(server.settings, codec) as client,
        ):
            health = Health(database, client, tmp_path, limits=ROOMY, accepted=accepted)

            report = await health.check()

    assert part(report, "redis").level is level
    assert said in part(report, "redis").line
    case.says(
        f"a Redis without persistence, {f'{accepted[0]} accepted' if accepted else 'not accepted'}",
        arq="its health check does not look",
        steward=f"health: {level}, {part(report, 'redis').line}",
    )


async def test_a_redis_whose_disk_holds_it_up_is_degraded(
    database: Database, codec: Codec, tmp_path: Path
) -> None:
    with servers.folder() as place:
        async with (
            servers.running(servers.program("valkey"), place, appendonly="yes") as server,
            slow_disk_of(server.nearby) as disk,
            Client.open(disk.settings, codec) as client,
        ):
            health = Health(database, client, tmp_path, limits=ROOMY)
            assert part(await health.check(), "redis").level is Level.HEALTHY
            disk.held_up = 2

            report = await health.check()

    assert part(report, "redis").level is Level.DEGRADED
    assert "held the append-only file up 2 times" in part(report, "redis").line


@pytest.mark.case(20)
async def test_a_redis_that_hangs_is_unhealthy_and_the_check_ends(
    database: Database, codec: Codec, clock: ManualClock, tmp_path: Path
) -> None:
    async def swallow(stream: SocketStream) -> None:
        async with stream:
            await anyio.sleep_forever()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port: int = listener.extra(SocketAttribute.local_port)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, swallow)
            redis = make_redis(RedisSettings(host="127.0.0.1", port=port, password="hunter2"))
            health = Health(
                database, Client(Store(redis, clock), codec, queues=QUEUES), tmp_path, limits=HASTY
            )
            started = monotonic()

            report = await health.check()

            assert monotonic() - started < 3
            for name in ("redis", "queues", "workers"):
                assert part(report, name).level is Level.UNHEALTHY
                assert part(report, name).measured is None
            assert part(report, "database").level is Level.HEALTHY
            await redis.aclose()
            group.cancel_scope.cancel()


async def test_a_report_on_a_redis_that_is_gone_tells_no_address_or_password(
    database: Database, codec: Codec, clock: ManualClock, tmp_path: Path
) -> None:
    nowhere = RedisSettings(host="127.0.0.1", port=1, username="ann", password="hunter2")
    redis = make_redis(nowhere)
    client = Client(Store(redis, clock), codec, queues=QUEUES)

    report = await Health(database, client, tmp_path, limits=ROOMY).check()
    await redis.aclose()

    assert part(report, "redis").level is Level.UNHEALTHY
    assert not {"hunter2", "ann", "127.0.0.1"} & set(repr(report).split())
    assert "hunter2" not in repr(report)
    assert "127.0.0.1" not in repr(report)


@pytest.mark.parametrize(
    ("limits", "name", "level"),
    [
        (Thresholds(disk=2**60), "disk", Level.DEGRADED),
        (Thresholds(disk_full=2**60, disk=2**60), "disk", Level.UNHEALTHY),
        (Thresholds(memory=0), "memory", Level.DEGRADED),
        (Thresholds(memory_full=0), "memory", Level.UNHEALTHY),
        (Thresholds(cpu=0), "cpu", Level.DEGRADED),
        (Thresholds(answer=timedelta(0)), "database", Level.DEGRADED),
        (Thresholds(answer=timedelta(0)), "redis", Level.DEGRADED),
    ],
)
async def test_a_part_past_its_threshold_is_not_healthy(
    database: Database,
    client: Client,
    tmp_path: Path,
    limits: Thresholds,
    name: str,
    level: Level,
) -> None:
    report = await Health(database, client, tmp_path, limits=limits).check()

    assert part(report, name).level is level


async def test_a_home_that_is_gone_is_unhealthy(
    database: Database, client: Client, tmp_path: Path
) -> None:
    report = await Health(database, client, tmp_path / "gone", limits=ROOMY).check()

    assert part(report, "disk").line == "it can't be asked (FileNotFoundError)"


def test_the_worst_part_decides() -> None:
    assert Level.worst([Level.HEALTHY, Level.UNHEALTHY, Level.DEGRADED]) is Level.UNHEALTHY
    assert Level.worst([]) is Level.HEALTHY

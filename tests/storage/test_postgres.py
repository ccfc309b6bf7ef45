"""What only a server can show: it is reached or not, restarts, is shared by many processes."""

import sys
import traceback
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from msgspec.structs import replace
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from app.connection import database_at
from app.engine import Effect, EffectState, Place
from app.storage.database import Database
from app.storage.effects import Effects
from app.storage.errors import NewerDatabase, UnusableDatabase
from app.storage.health import HealthChecks
from app.storage.migrations import every_table
from app.storage.notifications import Notices
from app.storage.users import User, Users
from tests.eventually import eventually
from tests.postgres import Server
from tests.scratch_home import Given
from tests.storage.databases import again, on_postgres

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MAIL = Place(run_id="run-1", origin="run-1@0", name="mail")
BEGUN = Effect(
    place=MAIL,
    state=EffectState.BEGUN,
    by="a",
    job="test.job",
    attempt=1,
    worker="w1",
    since=1_700_000_000_000,
)
TABLES = "SELECT count(*) FROM pg_class WHERE relname = 'users'"


@pytest.fixture
async def empty(postgres: Server) -> AsyncGenerator[str]:
    """A database without any table."""
    async with postgres.empty() as url:
        yield url


async def test_a_url_opens_a_server_and_no_url_a_file_in_the_home(
    postgres: Server, tmp_path: Path
) -> None:
    url = postgres.url("postgres")
    at_server = Given.model_validate({"home": tmp_path, "database": {"url": url}})
    at_home = Given.model_validate({"home": tmp_path})

    async with (
        Database.open(database_at(at_server)) as server,
        Database.open(database_at(at_home)) as file,
    ):
        assert (server.dialect, file.dialect) == ("postgresql", "sqlite")
        assert file.path == tmp_path / "steward.db"


async def test_without_its_driver_it_says_in_one_line_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(UnusableDatabase, match=r"-m pip install asyncpg$"):
        async with Database.open("postgresql://ann:s3cret@localhost/steward"):
            pass


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://ann:s3cret@127.0.0.1:1/steward", "Connect call failed"),
        ("postgresql://ann:s3cret@/nowhere?host=HOST", 'role "ann" does not exist'),
        ("postgresql://postgres:s3cret@/nowhere?host=HOST", 'database "nowhere" does not exist'),
        ("postgresql://ann:s3cret@127.0.0.1/steward?sslmode=s3cret", "sslmode"),
    ],
)
async def test_a_server_that_can_not_be_used_is_refused_in_one_line_without_the_password(
    postgres: Server, address: str, said: str
) -> None:
    with pytest.raises(UnusableDatabase, match=said) as refused:
        async with Database.open(address.replace("HOST", str(postgres.folder))):
            pass

    assert "\n" not in str(refused.value)
    assert ":s3cret@" not in str(refused.value)


async def test_a_database_that_keeps_not_any_text_is_refused(postgres: Server) -> None:
    async with postgres.empty("ENCODING 'LATIN1'") as url:
        with pytest.raises(UnusableDatabase, match="its encoding is LATIN1, and must be UTF8"):
            async with Database.open(url):
                pass


async def test_many_that_start_at_once_migrate_once(empty: str) -> None:
    async def start() -> None:
        async with Database.open(empty) as database:
            await database.migrate()

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(start)

    async with Database.open(empty) as database, database.read() as session:
        assert await session.scalar(text(TABLES)) == 1


async def test_steps_lead_to_the_rows(empty: str) -> None:
    def difference(connection: Connection) -> object:
        context = MigrationContext.configure(connection, opts={"compare_type": _is_another})
        return compare_metadata(context, every_table())

    async with Database.open(empty) as database:
        await database.migrate()
        async with database.read() as session:
            assert await (await session.connection()).run_sync(difference) == []


def _is_another(
    _context: object, _inspected: object, _meta: object, found: object, wanted: object
) -> bool | None:
    """Texts have no length there, whatever the rows say."""
    return False if "TEXT" in str(found) and "CHAR" in str(wanted) else None


async def test_a_step_that_fails_leaves_the_database_as_it_was(
    postgres: Server, empty: str
) -> None:
    name = empty.partition("@/")[2].partition("?")[0]
    await postgres.execute("CREATE TABLE history_gaps (nonsense text)", database=name)

    async with Database.open(empty) as database:
        with pytest.raises(UnusableDatabase, match='relation "history_gaps" already exists'):
            await database.migrate()
        async with database.read() as session:
            assert await session.scalar(text(TABLES)) == 0


async def test_a_newer_database_is_left_alone(empty: str) -> None:
    async with Database.open(empty) as database:
        await database.migrate()
        async with database.write() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        with pytest.raises(NewerDatabase, match=r"newer Steward \(schema 9999"):
            await database.migrate()


@on_postgres
async def test_writers_that_need_no_turn_go_side_by_side_and_one_in_turn_waits(
    database: Database,
) -> None:
    order = list[str]()

    async def in_turn() -> None:
        async with database.write():
            order.append("in turn")

    async with anyio.create_task_group() as group:
        async with database.write(in_turn=False):
            async with again(database) as other, other.write(in_turn=False):
                order.append("beside")
            group.start_soon(in_turn)
            await eventually(partial(_waits, database))
            order.append("first")

    assert order == ["beside", "first", "in turn"]


async def _waits(database: Database, *, count: int = 1) -> bool:
    """Whether so many wait, for a turn or a row."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with database.read() as session:
        return bool(await session.scalar(waiting) == count)


@on_postgres
async def test_of_many_that_begin_one_effect_at_once_one_does(database: Database) -> None:
    answers = list[Effect | None]()

    async def begin(by: str) -> None:
        async with again(database) as mine:
            answers.append(await Effects(mine).swap(MAIL, None, replace(BEGUN, by=by), lease=""))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(begin, str(number))

    assert len(answers) == 8
    assert {each.by for each in answers if each} == {answers[0].by if answers[0] else ""}


@on_postgres
async def test_who_finds_an_effect_replaced_meanwhile_is_told_by_what(database: Database) -> None:
    effects, told = Effects(database), dict[EffectState, Effect | None]()
    await effects.swap(MAIL, None, BEGUN, lease="")

    async def swap(then: EffectState) -> None:
        told[then] = await effects.swap(MAIL, BEGUN, replace(BEGUN, state=then), lease="")

    async with anyio.create_task_group() as group, database.write(in_turn=False) as session:
        await session.execute(text("SELECT 1 FROM effects FOR UPDATE"))
        for count, then in enumerate((EffectState.IN_DOUBT, EffectState.DONE), start=1):
            group.start_soon(swap, then)
            await eventually(partial(_waits, database, count=count))

    in_doubt = replace(BEGUN, state=EffectState.IN_DOUBT)
    assert told == {EffectState.IN_DOUBT: in_doubt, EffectState.DONE: in_doubt}


@on_postgres
async def test_connections_that_the_server_has_closed_are_replaced(
    database: Database, postgres: Server
) -> None:
    checks = HealthChecks(database)
    await checks.begin(NOON)

    await postgres.execute(CUT_ALL)
    for _ in range(5):  # the end of a connection is heard a little later
        await postgres.execute("SELECT 1")

    await checks.begin(NOON)


CUT_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'steward' AND pid <> pg_backend_pid()
"""


@on_postgres
async def test_a_server_that_goes_in_the_middle_is_an_error_to_try_again(
    database: Database, postgres: Server
) -> None:
    async def write() -> None:
        async with database.write() as session:
            await postgres.execute(CUT_ALL)
            await session.execute(text("SELECT 1"))

    with pytest.raises(OperationalError):
        await write()

    await HealthChecks(database).begin(NOON)


@on_postgres
async def test_a_writer_for_whom_no_connection_is_free_may_try_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.postgres._CONNECTIONS", 1)
    monkeypatch.setattr("app.storage.postgres._PATIENCE", 0.05)

    async with again(database) as ours, ours.write(in_turn=False):
        with pytest.raises(OSError, match="can't be written now"):
            await Effects(ours).swap(MAIL, None, BEGUN, lease="")


@on_postgres
async def test_who_stands_still_is_cut_off_before_others_give_up(database: Database) -> None:
    async with database.read() as session:
        shown = [
            await session.scalar(text(f"SHOW {name}"))
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        ]

    assert shown == ["25s", "30s"]


async def test_what_one_database_takes_the_other_takes(database: Database) -> None:
    users, notices = Users(database), Notices(database)
    ann = await users.add(name="Ann", address="ann@example.com", timezone="UTC")
    body = "\N{SNOWMAN} " * 10_000

    await notices.add(ann.id, title="long " * 200, body=body, dedupe_key="k" * 300)

    (found,) = await notices.of(ann.id)
    assert (found.title, found.body) == ("long " * 200, body)


@on_postgres
async def test_a_nul_is_kept_as_a_mark_and_found_under_it(database: Database) -> None:
    ann = await _ann(database)
    notices = Notices(database)

    first = await notices.add(ann.id, title="a\0b", body="", dedupe_key="k\0")
    again = await notices.add(ann.id, title="a\0b", body="", dedupe_key="k\0")

    assert (first, again) == (True, False)
    assert [each.title for each in await notices.of(ann.id)] == ["a\N{REPLACEMENT CHARACTER}b"]


@on_postgres
async def test_no_error_quotes_a_row(database: Database) -> None:
    await _ann(database)
    twice = text("INSERT INTO users SELECT * FROM users")
    wrong = text("UPDATE users SET name = NULL")
    for statement in (twice, wrong):
        with pytest.raises(IntegrityError) as raised:
            async with database.write() as session:
                await session.execute(statement)

        told = "".join(traceback.format_exception(raised.value))
        assert "ann@example.com" not in told
        assert "DETAIL" not in told


@on_postgres
async def test_a_text_that_is_none_is_refused_without_a_word_of_it(database: Database) -> None:
    ann, title = await _ann(database), " ".join(["se" + "cret", "\udcff"])

    with pytest.raises(DataError) as raised:
        await Notices(database).add(ann.id, title=title, body="", dedupe_key="k")

    assert "secret" not in "".join(traceback.format_exception(raised.value))


async def _ann(database: Database) -> User:
    return await Users(database).add(name="Ann", address="ann@example.com", timezone="UTC")

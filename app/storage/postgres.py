"""PostgreSQL: one database for workers on several machines.

A writer's transaction is READ COMMITTED and begins with an advisory lock of the database: exclusive
for one that wants a turn, shared for those that go side by side. What it reads after that is what
the last one has committed. The lock ends with the transaction, and a process that stands still in
the middle of one is cut off by the server before those that wait for it give up.

What SQLite takes, this takes too: a NUL in a text, which PostgreSQL can't store, becomes U+FFFD.
What can be tried again (the server restarts, a lock is not to be had) is an `OperationalError`, as
there; and no error quotes the values of a row.
"""

import re
import sys
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from sqlalchemy import Connection, event, func, select, text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi as Driver
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, DisconnectionError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from app.storage.errors import UnusableDatabase
from app.storage.migrations.server import upgrade_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CONNECTIONS = 8  # of one process; whoever needs one more waits for it
_CONNECT_WITHIN = 10.0  # s
_ANSWER_WITHIN = 60.0  # s: a statement that takes longer is given up; the network may be gone
_PATIENCE = 30  # s: waiting for other writers, or for a connection
_STANDSTILL = 25  # s: of a process in the middle of a transaction; shorter than others are patient

_TURN = 0x53_54_45_57  # the advisory lock's key in its database: no other program's, it is hoped
_ALONE = select(func.pg_advisory_xact_lock(_TURN))
_BESIDE = select(func.pg_advisory_xact_lock_shared(_TURN))

_SESSION = {
    "application_name": "steward",
    "timezone": "UTC",
    "jit": "off",  # it costs more than these short statements gain
    "lock_timeout": f"{_PATIENCE}s",
    "idle_in_transaction_session_timeout": f"{_STANDSTILL}s",
}
_PASSING = ("08", "25", "40", "53", "55", "57", "58")  # classes of SQLSTATE that say: not now
_MISFIT = re.compile(r"(invalid input for query argument \$\d+): .*", re.DOTALL)
_NUL, _INSTEAD = "\0", "\N{REPLACEMENT CHARACTER}"


class PostgresDatabase:
    """A database of a PostgreSQL server."""

    side_by_side = True

    def __init__(self, url: str) -> None:
        self.where = url

    def __str__(self) -> str:
        parts = urlsplit(self.where)
        return parts._replace(netloc=_without_password(parts.netloc), query="").geturl()

    async def prepare(self) -> None:
        """Look whether it answers and keeps any text; raises `UnusableDatabase`."""
        writer, _ = self.engines()
        try:
            async with writer.connect() as connection:
                encoding = await connection.scalar(text("SHOW server_encoding"))
        except SQLAlchemyError as error:
            raise UnusableDatabase(self, getattr(error, "orig", error)) from error
        finally:
            await writer.dispose()
        if encoding != "UTF8":
            raise UnusableDatabase(self, f"its encoding is {encoding}, and must be UTF8")

    def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """Both on the same connections."""
        try:
            writer = _engine(self.where)
        except ModuleNotFoundError as error:
            advice = f"that takes asyncpg: {sys.executable} -m pip install asyncpg"
            raise UnusableDatabase(self, advice) from error
        reader = writer.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        return writer, reader

    async def take_turn(self, session: AsyncSession, *, alone: bool) -> None:
        """Wait for other writers; raises `OperationalError` after some seconds."""
        try:
            await session.execute(_ALONE if alone else _BESIDE)
        except NoConnection as error:
            raise OperationalError(None, None, _not_now(error)) from error

    async def make_last(self) -> None:
        """A commit has seen to it, unless the server was told otherwise (synchronous_commit)."""

    async def migrate(self, writer: AsyncEngine) -> None:
        """Take the missing steps in one transaction, while other processes wait."""
        await upgrade_server(writer, self)


def _without_password(place: str) -> str:
    login, at, host = place.rpartition("@")
    return f"{login.partition(':')[0]}{at}{host}"


def _engine(url: str) -> AsyncEngine:
    async def connect() -> Any:
        return await _connect(url)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        hide_parameters=True,  # an error quotes its statement, never the mail in it
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_PATIENCE,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "before_cursor_execute", _without_nul, retval=True)
    event.listen(engine.sync_engine, "handle_error", _as_elsewhere)
    return engine


async def _connect(url: str) -> Any:
    import asyncpg

    connect = cast("Callable[..., Awaitable[Any]]", asyncpg.connect)
    refused = (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError)
    try:
        return await connect(
            url, timeout=_CONNECT_WITHIN, command_timeout=_ANSWER_WITHIN, server_settings=_SESSION
        )
    except refused as error:
        raise _not_now(error) from error


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """A connection that the server has closed meanwhile is replaced before it is used."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _without_nul(
    _connection: Connection, _cursor: object, statement: str, values: Any, *_more: object
) -> tuple[str, Any]:
    if isinstance(values, list):
        return statement, [_storable(row) for row in cast("list[tuple[Any, ...]]", values)]
    return statement, _storable(values)


def _storable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    if not any(isinstance(each, str) and _NUL in each for each in row):
        return row
    return tuple(each.replace(_NUL, _INSTEAD) if isinstance(each, str) else each for each in row)


def _as_elsewhere(context: ExceptionContext) -> BaseException | None:
    """Say what went wrong as SQLite's driver would, and keep the row's values out of it."""
    original = context.original_exception
    has_quoted = _forget_values(original)
    if not isinstance(original, Exception):
        return None  # a cancelled query closes its connection, and is no error
    state = str(getattr(original, "sqlstate", None) or "")
    lost = isinstance(original, (OSError, TimeoutError)) or context.is_disconnect
    if lost or state.startswith(_PASSING):
        return OperationalError(context.statement, None, _not_now(original), hide_parameters=True)
    return (
        DataError(context.statement, None, original, hide_parameters=True) if has_quoted else None
    )


def _not_now(error: BaseException) -> Exception:
    make = cast("Callable[[str], Exception]", Driver.OperationalError)
    return make(str(error) or "it does not answer")


def _forget_values(error: BaseException | None) -> bool:
    """The key that is there already, or the whole row, of PostgreSQL's DETAIL; what did not fit.

    Tells whether it was the latter, which the error's own text has quoted.
    """
    has_quoted = False
    while error is not None:
        if getattr(error, "detail", None):
            vars(error)["detail"] = None
        text, matches = _MISFIT.subn(r"\1", str(error.args[0] if error.args else ""))
        if matches:
            error.args, has_quoted = (text,), True
        error = error.__cause__
    return has_quoted

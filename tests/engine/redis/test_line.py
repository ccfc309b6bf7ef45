"""The connection on which calls travel together."""

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from arq.connections import RedisSettings
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as Silent

from app.engine.redis.connection import Connections, open_redis
from app.engine.redis.line import Line
from tests.eventually import eventually
from tests.rights import as_admin, asked


@pytest.fixture
async def redis(clean_redis: RedisSettings) -> AsyncGenerator[Connections]:
    async with open_redis(clean_redis) as opened:
        yield opened


def hasty(redis: Connections, patience: float) -> Line:
    """Another line to the same server, with less patience."""
    pool: Any = redis.connection_pool
    return Line(pool, patience=patience)


async def own_id(line: Line) -> int:
    """The number the server gave this connection."""
    return int(await line.call("CLIENT", "ID"))


async def cut(redis: Connections) -> None:
    """The server hangs up on the line, and on it alone."""
    await asked(redis, "CLIENT", "KILL", "ID", str(await own_id(redis.line)))


async def test_every_call_gets_its_own_answer(redis: Connections) -> None:
    answers: dict[int, bytes] = {}

    async def echo(n: int) -> None:
        answers[n] = await redis.line.call("ECHO", n)

    async with anyio.create_task_group() as group:
        for n in range(200):
            group.start_soon(echo, n)

    assert answers == {n: str(n).encode() for n in range(200)}


async def test_what_many_callers_ask_travels_on_one_connection(redis: Connections) -> None:
    async with as_admin(redis) as admin:
        before = len(await admin.client_list())

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(redis.line.call, "PING")

        assert len(await admin.client_list()) == before + 1


async def test_a_long_answer_comes_whole(redis: Connections) -> None:
    value = b"x" * 5_000_000
    await redis.line.call("SET", "steward:health", value)

    assert await redis.line.call("GET", "steward:health") == value


async def test_a_refused_call_fails_alone(redis: Connections) -> None:
    failed: list[ResponseError] = []

    async def refused() -> None:
        with pytest.raises(ResponseError) as error:
            await redis.line.call("NO-SUCH-COMMAND")
        failed.append(error.value)

    async with anyio.create_task_group() as group:
        group.start_soon(refused)
        group.start_soon(redis.line.call, "PING")

    assert "unknown command" in str(failed[0])
    assert await redis.line.call("PING") == b"PONG"


async def test_an_unknown_script_is_told_from_other_errors(redis: Connections) -> None:
    with pytest.raises(NoScriptError):
        await redis.line.call("EVALSHA", "0" * 40, 0)


async def test_what_was_refused_before_the_last_command_stands_among_the_answers(
    redis: Connections,
) -> None:
    refused, done = await redis.line.calls(("NO-SUCH-COMMAND",), ("PING",))

    assert isinstance(refused, ResponseError)
    assert done == b"PONG"


async def test_after_a_cut_the_next_call_connects_anew(redis: Connections) -> None:
    told: list[str] = []
    redis.line.on_lost = lambda: told.append("lost")
    before = await own_id(redis.line)

    await cut(redis)
    await eventually(lambda: told)

    assert await own_id(redis.line) != before
    assert told == ["lost"]


async def test_a_cut_fails_every_call_under_way(redis: Connections) -> None:
    id, failed = await own_id(redis.line), list[RedisError]()

    async def wait() -> None:
        with pytest.raises(Disconnected) as error:
            await redis.line.call("BLPOP", "steward:health", 5)
        failed.append(error.value)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(wait)
        await eventually(lambda: _is_blocked(redis, id))
        await asked(redis, "CLIENT", "KILL", "ID", str(id))

    assert len(failed) == 3


async def _is_blocked(redis: Connections, id: int) -> bool:
    clients: Any = await asked(redis, "CLIENT LIST")
    return any(each["id"] == str(id) and "b" in each["flags"] for each in clients)


async def test_closing_fails_every_call_under_way_and_leaves_no_connection(
    redis: Connections, clean_redis: RedisSettings
) -> None:
    async with open_redis(clean_redis) as other:
        id = await own_id(other.line)

        async def wait() -> None:
            with pytest.raises(Disconnected):
                await other.line.call("BLPOP", "steward:health", 5)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await eventually(lambda: _is_blocked(redis, id))
            await other.line.aclose()

    clients: Any = await asked(redis, "CLIENT LIST")
    assert str(id) not in {each["id"] for each in clients}


async def test_closing_twice_or_unopened_does_nothing(redis: Connections) -> None:
    await redis.line.aclose()
    await redis.line.call("PING")
    await redis.line.aclose()
    await redis.line.aclose()


async def test_a_cancelled_caller_takes_nobodys_answer(redis: Connections) -> None:
    await redis.line.call("PING")

    with anyio.move_on_after(0):
        await redis.line.call("ECHO", "one")

    assert await redis.line.call("ECHO", "two") == b"two"


async def test_whoever_is_cancelled_while_connecting_hinders_nobody(redis: Connections) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(redis.line.call, "ECHO", "one")
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()

    assert await redis.line.call("ECHO", "two") == b"two"


@pytest.mark.not_by("resp2", why="with it a server tells nothing")
async def test_pushes_reach_whoever_listens_and_hinder_no_answer(redis: Connections) -> None:
    pushes: list[Any] = []
    await redis.line.call("CLIENT", "TRACKING", "ON")
    for heard in (list[Any](), pushes):
        redis.line.on_push = heard.append
        await redis.line.call("GET", "steward:health")
        await redis.set("steward:health", "1")
        assert await redis.line.call("PING") == b"PONG"

    assert [list(each) for each in pushes] == [[b"invalidate", [b"steward:health"]]]


async def test_a_push_while_nobody_listens_is_dropped(redis: Connections) -> None:
    await redis.line.call("CLIENT", "TRACKING", "ON")
    await redis.line.call("GET", "steward:health")
    await redis.set("steward:health", "1")

    assert await redis.line.call("GET", "steward:health") == b"1"


async def test_an_answer_that_a_blocked_loop_read_late_still_counts(redis: Connections) -> None:
    line = hasty(redis, 0.2)
    await line.call("PING")
    answers: list[bytes] = []

    async def echo() -> None:
        answers.append(await line.call("ECHO", "late"))

    async with anyio.create_task_group() as group:
        group.start_soon(echo)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        threading.Event().wait(0.5)  # the loop stands still; the answer is there meanwhile

    assert answers == [b"late"]
    await line.aclose()


async def test_a_server_that_says_nothing_is_given_up(redis: Connections) -> None:
    line, told = hasty(redis, 0.1), list[str]()
    line.on_lost = lambda: told.append("lost")

    with pytest.raises(Silent):
        await line.call("BLPOP", "steward:health", 3)

    assert told == ["lost"]
    assert await line.call("PING") == b"PONG"
    await line.aclose()


@asynccontextmanager
async def server(
    serve: Callable[[SocketStream], Awaitable[None]],
) -> AsyncGenerator[RedisSettings]:
    """A server that does as told."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port: int = listener.extra(SocketAttribute.local_port)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, serve)
            yield RedisSettings(host="127.0.0.1", port=port, conn_timeout=1)
            group.cancel_scope.cancel()


def answering(answer: bytes) -> Callable[[SocketStream], Awaitable[None]]:
    """Greets as Redis does, then gives this answer to every command."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            while True:
                try:
                    asked = await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return
                count = asked.count(b"*")
                is_greeting = b"HELLO" in asked
                is_polite = b"CLIENT" in asked or b"SELECT" in asked
                said = b"%1\r\n+proto\r\n:3\r\n" if is_greeting else b"+OK\r\n" * count
                await stream.send(said if is_greeting or is_polite else answer)

    return serve


async def test_what_is_no_redis_answer_breaks_the_connection_and_nothing_else() -> None:
    async with server(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as settings:
        async with open_redis(settings) as redis:
            for _ in range(2):
                with pytest.raises(RedisError), anyio.fail_after(4):
                    await redis.line.call("PING")


async def endless(stream: SocketStream) -> None:
    """Greets as Redis does, then announces more than it will ever say, byte by byte."""
    async with stream:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await stream.receive()
            await stream.send(b"%1\r\n+proto\r\n:3\r\n")
            while b"PING" not in (asked := await stream.receive()):
                await stream.send(b"+OK\r\n" * asked.count(b"*"))
            await stream.send(b"$999999999999\r\n")
            while True:
                await stream.send(b"x")
                await anyio.lowlevel.checkpoint()


@pytest.mark.case(22)
async def test_an_answer_that_never_ends_is_given_up_though_more_of_it_comes() -> None:
    async with server(endless) as settings, open_redis(settings) as redis:
        line = hasty(redis, 0.05)
        with pytest.raises(Silent, match="no end"), anyio.fail_after(20):
            await line.call("PING")
        await line.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        b"-READONLY You can't write against a read only replica.",
        b"-ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write",
        b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    ],
)
async def test_a_master_that_became_a_replica_is_left(answer: bytes) -> None:
    lost: list[str] = []
    async with server(answering(answer + b"\r\n")) as settings:
        async with open_redis(settings) as redis:
            redis.line.on_lost = lambda: lost.append("lost")
            with pytest.raises(ResponseError):
                await redis.line.call("SET", "x", "1")

            assert lost == ["lost"]


async def test_callers_that_wait_for_one_attempt_to_connect_share_its_failure() -> None:
    attempts: list[SocketStream] = []
    hang_up = anyio.Event()

    async def serve(stream: SocketStream) -> None:
        attempts.append(stream)
        async with stream:
            await hang_up.wait()

    async with server(serve) as settings, open_redis(settings) as redis:
        failed: list[RedisError] = []

        async def call() -> None:
            with pytest.raises(RedisError) as error:
                await redis.line.call("PING")
            failed.append(error.value)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(call)
            await eventually(lambda: attempts)
            hang_up.set()

    assert (len(failed), len(attempts)) == (10, 1)


async def test_a_server_that_is_not_there_is_an_error_of_redis() -> None:
    async with open_redis(RedisSettings(unix_socket_path="/tmp/nobody.sock")) as redis:
        with pytest.raises(RedisError):
            await redis.line.call("PING")

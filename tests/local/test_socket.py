"""Where the socket lies, and what a ping through it tells."""

from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from app.local.errors import HomeUnusable
from app.local.socket import answers, socket_path


def test_it_lies_in_the_home() -> None:
    assert socket_path(Path("/h")) == Path("/h/valkey.sock")


def test_a_long_home_has_it_in_a_short_folder_of_our_own() -> None:
    long = Path("/", "h" * 120)

    first, second = socket_path(long), socket_path(long)
    mode = first.parent.stat().st_mode & 0o777
    first.parent.rmdir()

    assert first == second
    assert len(str(first)) < 100
    assert mode == 0o700


def test_a_short_folder_others_can_enter_is_refused() -> None:
    long = Path("/", "i" * 120)
    folder = socket_path(long).parent
    folder.chmod(0o777)

    with pytest.raises(HomeUnusable, match="belongs to somebody else"):
        socket_path(long)

    folder.rmdir()


@pytest.mark.parametrize(
    ("said", "ready"), [(b"+PONG\r\n", True), (b"-LOADING Valkey is loading\r\n", False)]
)
async def test_only_a_pong_is_an_answer(home: Path, said: bytes, ready: bool) -> None:
    async def say(client: SocketStream) -> None:
        async with client:
            await client.receive()
            await client.send(said)

    async with (
        await anyio.create_unix_listener(home / "s") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, say)

        answered = await answers(home / "s", patience=5)

        assert answered is ready
        group.cancel_scope.cancel()


async def test_nobody_and_silence_are_no_answer(home: Path) -> None:
    async with await anyio.create_unix_listener(home / "silent"):
        silent = await answers(home / "silent", patience=0.05)

    nobody = await answers(home / "nobody", patience=5)

    assert not silent
    assert not nobody

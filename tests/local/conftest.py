"""Homes whose servers end with the test, and processes that use them."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

User = Callable[[], AbstractAsyncContextManager[Process]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def home() -> Generator[Path]:
    """A home with a path short enough for its socket; what a test leaves running is killed."""
    folder = Path(tempfile.mkdtemp(prefix="home-")).resolve()
    yield folder
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(server_pid(folder), signal.SIGKILL)
    shutil.rmtree(folder)


@pytest.fixture
def user(home: Path) -> User:
    """Start another process that uses the home; it leaves in order when its block ends."""

    @asynccontextmanager
    async def start() -> AsyncGenerator[Process]:
        command = [sys.executable, "-m", "tests.local.user", str(home)]
        async with await anyio.open_process(command, cwd=ROOT, stderr=None) as process:
            assert process.stdin
            assert process.stdout
            with anyio.fail_after(20):
                await BufferedByteReceiveStream(process.stdout).receive_until(b"ready\n", 100)
            yield process
            await process.stdin.aclose()
            with anyio.fail_after(20):
                await process.wait()

    return start


def server_pid(home: Path) -> int:
    """Return the process id of the home's server; FileNotFoundError when it was stopped."""
    return int((home / "valkey" / "valkey.pid").read_text())

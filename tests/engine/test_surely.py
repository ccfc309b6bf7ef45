"""Writing down what has happened, whoever wants the writer to stop."""

import asyncio
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest

from app.engine import Unavailable
from app.engine.surely import surely


@dataclass
class Book:
    """Where it is written; each try waits for the gate, after so many that fail."""

    away: int = 0
    gate: anyio.Event = field(default_factory=anyio.Event)
    tries: int = 0
    lines: int = 0

    async def write(self) -> None:
        self.tries += 1
        if self.tries <= self.away:
            raise Unavailable("away")
        await self.gate.wait()
        self.lines += 1

    async def has_begun(self) -> None:
        with anyio.fail_after(10):
            while not self.tries:
                await anyio.lowlevel.checkpoint()


async def test_it_is_written_again_until_the_ledger_is_back() -> None:
    book = Book(away=3)
    book.gate.set()

    await surely(book.write)

    assert (book.tries, book.lines) == (4, 1)


async def test_a_cancelled_task_writes_first() -> None:
    book = Book()
    task = asyncio.create_task(surely(book.write))
    await book.has_begun()

    task.cancel()
    await asyncio.sleep(0)
    book.gate.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert book.lines == 1


async def test_a_time_limit_in_the_job_waits_for_it_too() -> None:
    book = Book()

    async with anyio.create_task_group() as group:
        group.start_soon(surely, book.write)
        await book.has_begun()
        group.cancel_scope.cancel()
        book.gate.set()

    assert book.lines == 1


async def test_after_two_seconds_a_cancelled_task_gives_up() -> None:
    book = Book()
    task = asyncio.create_task(surely(book.write))
    await book.has_begun()

    task.cancel()

    with anyio.fail_after(20), pytest.raises(asyncio.CancelledError):
        await task
    assert book.lines == 0


async def test_whoever_is_not_cancelled_waits_for_as_long_as_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.engine.surely._SHIELDED", 0.01)
    book = Book()

    async with anyio.create_task_group() as group:
        group.start_soon(surely, book.write)
        with anyio.fail_after(10):
            while book.tries < 2:  # begun anew without the shelter
                await anyio.lowlevel.checkpoint()
        book.gate.set()

    assert book.lines == 1

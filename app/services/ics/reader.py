"""Reads calendar files by way of a child process, and outlives whatever they do to it."""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from subprocess import DEVNULL

import anyio
from anyio.abc import Process

from app.services.ics.event import USUAL, BadEvent, Event, Limits, View
from app.services.ics.frames import Done, Found, Frames, Order, Refused, packed

logger = logging.getLogger(__name__)

_COMMAND = (sys.executable, "-s", "-P", "-m", f"{__package__}.child")


@dataclass(frozen=True, slots=True)
class File:
    """A calendar file: its bytes, and what to call it in a message."""

    name: str
    data: bytes


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a source's files say, taken together."""

    events: dict[str, Event] = field(default_factory=dict[str, Event])
    refused: list[BadEvent] = field(default_factory=list[BadEvent])
    problems: list[str] = field(default_factory=list[str])
    """What is wrong with a file as a whole. While there is any, a missing event may not be gone."""
    conflicts: int = 0
    """How many versions of an event were dropped for a newer one."""

    def add(self, event: Event) -> None:
        """Take an event; of two that share a UID, the newer one holds."""
        known = self.events.get(event.uid)
        if known is not None and known.digest != event.digest:
            self.conflicts += 1
        if known is None or known.revision < event.revision:
            self.events[event.uid] = event

    def fail(self, file: File, problem: str) -> None:
        """Note that a file was not read to its end."""
        self.problems.append(f"{file.name}: {problem}")


class Reader:
    """Reads calendar files in a child process of its own, one for each call."""

    def __init__(self, limits: Limits = USUAL) -> None:
        self._limits = limits

    async def read(self, files: Sequence[File], view: View) -> Reading:
        """What the files say. Never raises for what is in them: that is in the answer."""
        reading = Reading()
        left = list(files)
        with anyio.move_on_after(self._limits.reading.total_seconds()):
            while left:
                unread = await self._read_some(left, view, reading)
                if unread:
                    reading.fail(unread.pop(0), "it took too much time or memory to read")
                left = unread
        for each in left:
            reading.fail(each, "there was no time left to read it")
        return reading

    async def _read_some(self, files: list[File], view: View, reading: Reading) -> list[File]:
        """Read until the child ends; returns those it did not finish, the culprit first."""
        order = Order(view=view, limits=self._limits, files=[file.data for file in files])
        unread = list(files)
        process = await anyio.open_process(_COMMAND, stderr=DEVNULL, env=_environment())
        try:
            await _collect(process, packed(order), reading, unread)
        finally:
            with anyio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                await process.aclose()
        return unread


async def _collect(process: Process, order: bytes, reading: Reading, unread: list[File]) -> None:
    """Hand over the order and take what comes; `unread` shrinks with every file that is done."""
    assert process.stdin is not None
    assert process.stdout is not None
    frames = Frames()
    with suppress(anyio.BrokenResourceError):  # it died while reading its order
        await process.stdin.send(order)
    async for piece in process.stdout:
        for frame in frames.feed(piece):
            match frame:
                case Found(event):
                    reading.add(event)
                case Refused(bad):
                    reading.refused.append(bad)
                case Done():
                    _finish(frame, unread.pop(0), reading)
    await process.wait()


def _finish(done: Done, file: File, reading: Reading) -> None:
    reading.conflicts += done.conflicts
    reading.problems += [f"{file.name}: {problem}" for problem in done.problems]


def _environment() -> dict[str, str]:
    """Nothing of ours but where Python finds its modules: no secret is in reach of the child."""
    return {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}

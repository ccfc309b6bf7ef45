"""An IMAP server that says what a test wants: for what no honest server does."""

import re
from asyncio import StreamReader, StreamWriter, start_server
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import anyio

from app.services.mail.imap import Account
from app.services.mail.security import Security

Answer = Callable[[StreamWriter, int], Awaitable[None]]
"""Sends something in place of a mail's beginning; its sequence number is given."""

_PATIENCE = timedelta(seconds=0.25)
_COMMAND = re.compile(rb"(\S+) (?:UID )?(\w+) ?(.*)", re.IGNORECASE)


@dataclass
class Script:
    """What lies in the inbox, and what the server does instead of giving it."""

    mails: dict[int, bytes] = field(default_factory=dict[int, bytes])
    faults: dict[int, Answer] = field(default_factory=dict[int, Answer])
    """By UID."""
    greeting: bytes = b"* OK ready\r\n"
    dials: int = 0
    port: int = 0

    @property
    def account(self) -> Account:
        """The account, with little patience."""
        return Account(
            host="127.0.0.1",
            port=self.port,
            username="ann",
            password="hunter2-canary",
            security=Security.NONE,
            timeout=_PATIENCE,
        )

    async def converse(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer until somebody hangs up."""
        self.dials += 1
        with suppress(ConnectionError):
            writer.write(self.greeting)
            while line := await reader.readline():
                if found := _COMMAND.match(line.rstrip()):
                    await self._answer(writer, *found.groups())
        writer.close()

    async def _answer(self, writer: StreamWriter, tag: bytes, verb: bytes, rest: bytes) -> None:
        match verb.upper():
            case b"CAPABILITY":
                writer.write(b"* CAPABILITY IMAP4rev1\r\n")
            case b"SELECT" | b"EXAMINE":
                writer.write(b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n" % len(self.mails))
            case b"FETCH" if b"BODY.PEEK" in rest.upper():
                for uid in map(int, rest.split()[0].split(b",")):
                    await self._give(writer, uid)
            case b"FETCH":
                for place, (uid, mail) in enumerate(self.mails.items(), 1):
                    said = b"UID %d FLAGS () RFC822.SIZE %d" % (uid, len(mail))
                    writer.write(b"* %d FETCH (%s)\r\n" % (place, said))
            case _:
                pass
        writer.write(tag + b" OK done\r\n")

    async def _give(self, writer: StreamWriter, uid: int) -> None:
        place = [*self.mails].index(uid) + 1
        if uid in self.faults:
            await self.faults[uid](writer, place)
            return
        mail = self.mails[uid]
        writer.write(b"* %d FETCH (UID %d BODY[]<0> {%d}\r\n" % (place, uid, len(mail)))
        writer.write(mail + b")\r\n")


@asynccontextmanager
async def scripted(script: Script) -> AsyncGenerator[Script]:
    """Serve on a free port of this machine, which `script.port` names."""
    server = await start_server(script.converse, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()


async def ten_gigabytes(writer: StreamWriter, place: int) -> None:
    """Announce more than anybody can hold, and begin."""
    writer.write(b"* %d FETCH (BODY[]<0> {10737418240}\r\n" % place + b"x" * 1_000_000)
    await writer.drain()


async def cut(writer: StreamWriter, place: int) -> None:
    """Hang up in the middle of a mail."""
    writer.write(b"* %d FETCH (BODY[]<0> {500}\r\nFrom: Bob" % place)
    await writer.drain()
    writer.transport.abort()


async def nonsense(writer: StreamWriter, place: int) -> None:
    """Answer with what is no IMAP."""
    writer.write(b'* %d FETCH (((("\xff \\) {3\r\n' % place)


async def dripping(writer: StreamWriter, place: int) -> None:
    """Send a byte now and then, for ever."""
    writer.write(b"* %d FETCH (BODY[]<0> {90000}\r\n" % place)
    with suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await anyio.sleep(0.1)


async def endless(writer: StreamWriter, place: int) -> None:
    """Send lines without an end."""
    line = b"* %d FETCH (FLAGS ())\r\n" % place * 5_000
    with suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(line)
            await writer.drain()

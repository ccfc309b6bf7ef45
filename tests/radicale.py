"""Radicale, a CalDAV server, as a process of its own with one user and one calendar."""

import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2

from app.engine import seconds
from tests.eventually import eventually
from tests.servers import folder, free_port

USER, PASSWORD = "ann", "a pass:word/with@signs"
_CONFIG = """
[server]
hosts = 127.0.0.1:{port}
[auth]
type = htpasswd
htpasswd_filename = {folder}/users
htpasswd_encryption = plain
delay = 0
[storage]
filesystem_folder = {folder}/data
[logging]
level = error
"""
_CALENDAR = """<?xml version="1.0"?><c:mkcalendar xmlns:d="DAV:"
xmlns:c="urn:ietf:params:xml:ns:caldav"><d:set><d:prop><d:displayname>{title}</d:displayname>
</d:prop></d:set></c:mkcalendar>"""


@dataclass(frozen=True, slots=True)
class Radicale:
    """A running server."""

    port: int
    place: Path

    @property
    def url(self) -> str:
        """Its address, of no calendar in particular."""
        return f"http://127.0.0.1:{self.port}/"

    def calendar_url(self, calendar: str) -> str:
        """The address of one of the user's calendars."""
        return f"{self.url}{USER}/{calendar}/"

    async def make_calendar(self, calendar: str, title: str) -> None:
        """A new calendar, empty."""
        body = _CALENDAR.format(title=title)
        assert (await self._ask("MKCALENDAR", self.calendar_url(calendar), body)).is_success

    async def put(self, calendar: str, name: str, text: str) -> None:
        """Change an event as another client does."""
        answer = await self._ask("PUT", self.calendar_url(calendar) + name, text)
        assert answer.is_success, answer.text

    async def delete(self, calendar: str, name: str) -> None:
        """Remove an event as another client does."""
        assert (await self._ask("DELETE", self.calendar_url(calendar) + name)).is_success

    def events(self, calendar: str) -> dict[str, str]:
        """What the server keeps on its disk."""
        kept = self._kept / calendar
        return {each.name: each.read_text() for each in kept.glob("*.ics")}

    def forget_tokens(self, calendar: str) -> None:
        """Let it refuse every sync token from now on, as servers do after a while."""
        for each in (self._kept / calendar).glob(".Radicale.cache/sync-token"):
            shutil.rmtree(each)

    @property
    def _kept(self) -> Path:
        return self.place / "data" / "collection-root" / USER

    async def _ask(self, method: str, url: str, body: str = "") -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False, timeout=20) as client:
            return await client.request(method, url, content=body, auth=(USER, PASSWORD))


@contextmanager
def radicale() -> Generator[Radicale]:
    """A server, until the block ends; `ready` says when it answers."""
    with folder() as place:
        port = free_port()
        (place / "users").write_text(f"{USER}:{PASSWORD}\n")
        config = place / "config"
        config.write_text(_CONFIG.format(port=port, folder=place))
        command = [sys.executable, "-m", "radicale", "--config", str(config)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            yield Radicale(port, place)
        finally:
            process.kill()
            process.wait(timeout=20)


async def ready(server: Radicale) -> None:
    """Wait until it answers."""

    async def answers() -> bool:
        try:
            stream = await anyio.connect_tcp("127.0.0.1", server.port)
        except OSError:
            return False
        await stream.aclose()
        return True

    await eventually(answers, within=seconds(30))

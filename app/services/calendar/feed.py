"""A calendar at an address, as Google, Nextcloud or a football club publish theirs.

The server is asked for it only if it has changed: by ETag or Last-Modified where the server knows
them. Where it does not, the answer is compared with the last one. What it sent last is in the
cache: once a day everything is read anew, and need not be sent anew for that.
"""

from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from re import IGNORECASE, sub

import httpx2
import msgspec

from app.services.calendar.source import (
    Snapshot,
    SourceRefused,
    SourceUnavailable,
    Unchanged,
    digest_of,
)
from app.services.download import USUAL, Download, Downloader, DownloadFailed, DownloadLimits
from app.services.ics.reader import File
from app.services.web_guard import AddressRefused, Resolve, WebGuard, resolve
from app.storage.cache import Cache
from app.storage.calendar_event import SourceState

_KEPT = timedelta(days=7)
_LONGEST_TAG = 1_000  # characters; a server may write anything there
_NO_ENTRY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A calendar as the server sent it: it is read anew each day, and rarely another by then."""

    etag: str
    last_modified: str
    content: bytes

    @property
    def file(self) -> File:
        """What is to be read."""
        return File("calendar", self.content)

    @property
    def state(self) -> SourceState:
        """What to ask the server by."""
        digest = digest_of([self.file])
        return SourceState(etag=self.etag, last_modified=self.last_modified, digest=digest)


class FeedCalendar:
    """Reads one ICS address from the settings. The address is a secret: it appears nowhere."""

    is_account = True

    def __init__(
        self,
        url: str,
        *,
        limits: DownloadLimits = USUAL,
        resolve: Resolve = resolve,
        cache: Cache | None = None,
    ) -> None:
        """`url` may be at home and begin with webcal:. Raises `AddressRefused` if it is none."""
        self._url = sub("^webcals?:", "https:", url.strip(), flags=IGNORECASE)
        self._downloader = Downloader(WebGuard(trusted=[self._url], resolve=resolve), limits)
        self._cache = cache
        digest = sha256(self._url.encode()).hexdigest()
        self.name = f"feed:{digest[:32]}"
        self.label = f"the feed of {httpx2.URL(self._url).host} ({digest[:4]})"
        self.setting = "STEWARD_CALENDAR__FEEDS"

    async def read(self, known: SourceState | None, *, removals: str = "") -> Snapshot | Unchanged:
        """The calendar, if it is not the one we know. Raises `CalendarError`."""
        del removals  # nothing of ours goes there
        kept = None if known else await self._kept()
        answer = await self._ask(known or (kept.state if kept else SourceState()))
        if answer.status == HTTPStatus.NOT_MODIFIED and known is not None:
            return Unchanged()
        if answer.status == HTTPStatus.NOT_MODIFIED and kept is not None:
            return _snapshot(kept)
        if answer.status != HTTPStatus.OK:
            raise _refusal(answer)
        body = Body(
            etag=_tag(answer, "etag"),
            last_modified=_tag(answer, "last-modified")[:100],
            content=answer.body,
        )
        await self._keep(body)
        if known is not None and known.digest == body.state.digest:
            return Unchanged()
        return _snapshot(body)

    async def check(self) -> tuple[str, ...]:
        """Fetch it; raises `CalendarError`."""
        await self.read(None)
        return (f"{self.label} can be read (1 files)",)

    async def _kept(self) -> Body | None:
        """What the server sent last, if that is still in the cache."""
        packed = await self._cache.get(self.name) if self._cache else None
        try:
            return msgspec.msgpack.decode(packed, type=Body) if packed else None
        except msgspec.DecodeError:
            return None  # another release has put it there

    async def _keep(self, body: Body) -> None:
        """Keep it, if the server can be asked whether it is still the same."""
        if self._cache and (body.etag or body.last_modified):
            await self._cache.put(self.name, msgspec.msgpack.encode(body), keep=_KEPT)

    async def _ask(self, known: SourceState) -> Download:
        asked = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
        try:
            return await self._downloader.get(
                self._url, {name: value for name, value in asked.items() if value}
            )
        except AddressRefused as error:
            raise SourceRefused(str(error)) from error
        except DownloadFailed as error:
            raise SourceUnavailable(str(error), retry_after=error.retry_after) from error


def _snapshot(body: Body) -> Snapshot:
    return Snapshot(files=(body.file,), state=body.state)


def _refusal(answer: Download) -> SourceRefused | SourceUnavailable:
    if answer.status in _NO_ENTRY:
        return SourceRefused(
            f"{answer.host} refuses the user name, password or address of the feed"
        )
    if answer.status in _GONE:
        return SourceRefused(f"{answer.host} has no such calendar: has its address changed?")
    return SourceUnavailable(
        f"{answer.host} answered {answer.status}", retry_after=answer.retry_after
    )


def _tag(answer: Download, name: str) -> str:
    value = answer.headers.get(name, "")
    return value if value.isascii() and value.isprintable() and len(value) <= _LONGEST_TAG else ""

"""A calendar at an address, as Google, Nextcloud or a football club publish theirs.

The server is asked for it only if it has changed: by ETag or Last-Modified where the server knows
them. Where it does not, the answer is compared with the last one.
"""

from hashlib import sha256
from http import HTTPStatus
from re import IGNORECASE, sub

import httpx2

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
from app.storage.calendar_event import SourceState

_LONGEST_TAG = 1_000  # characters; a server may write anything there
_NO_ENTRY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class FeedCalendar:
    """Reads one ICS address from the settings. The address is a secret: it appears nowhere."""

    is_account = True

    def __init__(
        self,
        url: str,
        *,
        limits: DownloadLimits = USUAL,
        resolve: Resolve = resolve,
    ) -> None:
        """`url` may be at home and begin with webcal:. Raises `AddressRefused` if it is none."""
        self._url = sub("^webcals?:", "https:", url.strip(), flags=IGNORECASE)
        self._downloader = Downloader(WebGuard(trusted=[self._url], resolve=resolve), limits)
        digest = sha256(self._url.encode()).hexdigest()
        self.name = f"feed:{digest[:32]}"
        self.label = f"the feed of {httpx2.URL(self._url).host} ({digest[:4]})"
        self.setting = "STEWARD_CALENDAR__FEEDS"

    async def read(self, known: SourceState | None) -> Snapshot | Unchanged:
        """The calendar, if it is not the one we know. Raises `CalendarError`."""
        answer = await self._ask(known or SourceState())
        if answer.status == HTTPStatus.NOT_MODIFIED and known is not None:
            return Unchanged()
        if answer.status != HTTPStatus.OK:
            raise _refusal(answer)
        file = File("calendar", answer.body)
        state = SourceState(
            etag=_tag(answer, "etag"),
            last_modified=_tag(answer, "last-modified")[:100],
            digest=digest_of([file]),
        )
        if known is not None and known.digest == state.digest:
            return Unchanged()
        return Snapshot(files=(file,), state=state)

    async def check(self) -> tuple[str, ...]:
        """Fetch it; raises `CalendarError`."""
        await self.read(None)
        return (f"{self.label} can be read (1 files)",)

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

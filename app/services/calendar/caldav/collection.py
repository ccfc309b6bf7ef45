"""One calendar on a CalDAV server, as the other side of a mirror.

It is asked what has changed since a token (RFC 6578). A token that it no longer takes, or a server
that knows none, means that all versions are listed. What is written carries the version that we
know, so that nobody's change is overwritten: If-Match, and If-None-Match for what is new.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from app.services.calendar.caldav.discovery import Found
from app.services.calendar.caldav.ics_format import IcsFormat
from app.services.calendar.caldav.multistatus import CALDAV, DAV, Answer, Multistatus
from app.services.calendar.caldav.questions import TAGS, changes, contents
from app.services.calendar.caldav.server import CalDavServer
from app.services.download import Download, Question
from app.services.entries import shown
from app.services.mirror import BadItem, Changes, Clash, Fetched, Gone, RemoteUnavailable, There

_LONGEST: Final = 200  # bytes of a file name
_LARGEST: Final = 1024**2  # characters of an event; a large one has some thousand
_PAGES: Final = 1_000  # of one listing; a server that has more goes round in circles
_MISSING: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_TOLD: Final = _MISSING | {HTTPStatus.OK}
_CHANGED: Final = frozenset({HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT})
_TYPE: Final = {"Content-Type": "text/calendar; charset=utf-8"}


class CalDavCollection:
    """Holds events under their paths; versions are ETags, and the cursor is a sync token."""

    batch = 25

    def __init__(self, server: CalDavServer, found: Found) -> None:
        self._server = server
        self._url = found.url
        self._path = urlsplit(found.url).path
        self.name = f"caldav:{sha256(found.url.encode()).hexdigest()[:32]}"
        self.label = f"the calendar {found.title!a} of {server.host}"

    async def changes(self, cursor: str) -> Changes:
        """What has changed since the token; all there is where there is none, or it is refused."""
        if (listed := await self._listed(cursor)) is not None:
            return listed
        if cursor and (listed := await self._listed("")) is not None:
            return listed
        _, tags = await self._server.find(self._url, TAGS, depth=1)
        there, bad = tuple(self._there(tags.answers)), self._bad(tags.answers)
        return Changes(items=there, cursor="", is_whole=True, bad=bad)

    async def _listed(self, token: str) -> Changes | None:
        """By sync-collection, page by page; None where the server does not do that."""
        there, gone, bad, cursor = dict[str, There](), set[str](), dict[str, str](), token
        for _ in range(_PAGES):
            answer = await self._server.report(self._url, changes(cursor))
            if answer.status != HTTPStatus.MULTI_STATUS:
                return None
            page = self._server.read(answer)
            missing = {self._id(e) for e in page.answers if e.status in _MISSING}
            there = {id: each for id, each in there.items() if id not in missing}
            listed = {each.id: each for each in self._there(page.answers)}
            there, gone = there | listed, (gone | missing) - listed.keys()
            settled = listed.keys() | missing
            bad = {id: why for id, why in bad.items() if id not in settled} | self._bad(
                page.answers
            )
            if not page.sync_token or (self._goes_on(page) and page.sync_token == cursor):
                return None
            cursor = page.sync_token
            if not self._goes_on(page):
                return Changes(
                    items=tuple(there.values()),
                    gone=frozenset(gone),
                    cursor=cursor,
                    is_whole=not token,
                    bad=bad,
                )
        raise RemoteUnavailable(f"{self.label}: its listing has no end")

    async def gone(self, ids: Sequence[str]) -> frozenset[str]:
        """A server's listing leaves nothing out."""
        return frozenset(ids)

    def listed_as(self, name: str) -> str:
        """What its path is called."""
        return _file_name(self._new_id(name))

    async def fetch(self, ids: Sequence[str]) -> Sequence[Fetched | Exception]:
        """These events, in one question."""
        answer = await self._server.report(self._url, contents(ids))
        found = {self._id(each): each for each in self._server.read(answer).answers}
        return [self._fetched(each, found.get(each)) for each in ids]

    async def create(self, name: str, data: bytes) -> Fetched:
        """Put it where nothing is."""
        return await self._put(self._new_id(name), data, {"If-None-Match": "*"})

    async def replace(self, id: str, data: bytes, version: str) -> Fetched:
        """Put it in place of this version."""
        return await self._put(id, data, {"If-Match": version} if version else {})

    async def rename(self, id: str, name: str) -> str | None:
        """Paths stay what they are."""
        del id, name
        return None

    async def remove(self, id: str, version: str) -> None:
        """Delete this version."""
        headers = {"If-Match": version} if version else {}
        answer = await self._server.ask(
            self._server.join(self._url, id), Question(method="DELETE", headers=headers)
        )
        self._refuse(answer, id)

    async def _put(self, id: str, data: bytes, headers: dict[str, str]) -> Fetched:
        question = Question(method="PUT", headers={**_TYPE, **headers}, content=data)
        answer = await self._server.ask(self._server.join(self._url, id), question)
        self._refuse(answer, id)
        return Fetched(id=id, data=data, version=answer.headers.get("etag", ""))

    def _refuse(self, answer: Download, id: str) -> None:
        if answer.status in _MISSING:
            raise Gone("it is no longer there")
        if answer.status in _CHANGED:
            raise Clash(f"{answer.host} has another version of it", id=id)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise BadItem(f"{answer.host} does not let it be changed")
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise BadItem(f"{answer.host} does not take it ({answer.status})")

    def _there(self, answers: Iterable[Answer]) -> Iterable[There]:
        for each in answers:
            id = self._id(each)
            if each.status == HTTPStatus.OK and id.rstrip("/") != self._path.rstrip("/"):
                kind = each.properties.get(f"{DAV}resourcetype")
                if kind is None or not len(kind):
                    version = each.text(f"{DAV}getetag").strip()
                    yield There(id=id, name=_file_name(id), version=version)

    def _bad(self, answers: Iterable[Answer]) -> dict[str, str]:
        """What there is only an error for: it is left alone, as nobody knows what became of it."""
        said = {self._id(each): each.status for each in answers if each.status not in _TOLD}
        ours = self._path.rstrip("/")
        host = self._server.host
        return {
            id: f"{host} answered {s} of it" for id, s in said.items() if id.rstrip("/") != ours
        }

    def _fetched(self, id: str, answer: Answer | None) -> Fetched | Exception:
        if answer is None:
            return BadItem("the server says nothing of it")
        if answer.status in _MISSING:
            return Gone("it is no longer there")
        data = answer.text(f"{CALDAV}calendar-data").replace("\r\n", "\n").replace("\n", "\r\n")
        if not data.strip():
            return BadItem(f"the server does not give it out ({answer.status})")
        if len(data) > _LARGEST:
            return BadItem(f"it is larger than {_LARGEST // 1024} kB")
        version = answer.text(f"{DAV}getetag").strip()
        return Fetched(id=id, data=data.encode(), version=version)

    def _goes_on(self, page: Multistatus) -> bool:
        """Whether the server has cut the listing short."""
        cut = (e for e in page.answers if e.status == HTTPStatus.INSUFFICIENT_STORAGE)
        return any(self._id(each).rstrip("/") == self._path.rstrip("/") for each in cut)

    def _id(self, answer: Answer) -> str:
        """Its path, spelt the same whoever writes it."""
        return _spelt(urlsplit(self._server.join(self._url, answer.href)).path)

    def _new_id(self, name: str) -> str:
        return _spelt(f"{self._path}{quote(name)}")


FORMAT: Final = IcsFormat()


def _spelt(path: str) -> str:
    """A path in the one of its spellings that is its id."""
    return quote(
        unquote(path, errors="surrogateescape"), safe="/@:+,;=!$&'()*~", errors="surrogateescape"
    )


def _file_name(id: str) -> str:
    """What the path calls it, if that can be the name of a file; otherwise a digest."""
    name = unquote(id.rstrip("/").rpartition("/")[2], errors="replace")
    if not name.lower().endswith(FORMAT.suffix):
        name = f"{name}{FORMAT.suffix}"
    is_plain = name == shown(name) and "/" not in name and not name.startswith(".")
    if is_plain and len(name.encode()) <= _LONGEST and "\\" not in name and ":" not in name:
        return name
    return f"{sha256(id.encode()).hexdigest()[:32]}{FORMAT.suffix}"

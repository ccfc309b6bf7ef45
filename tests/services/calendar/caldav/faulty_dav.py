"""A CalDAV server of one calendar that breaks down as it is told to, also after the work is done.

It keeps to RFC 4791 and 6578 otherwise: versions, sync tokens, listings in pages, several answers
in one. Strangers change it, too, in the middle of our requests.
"""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final
from urllib.parse import unquote
from xml.etree import ElementTree as Xml
from xml.sax.saxutils import escape

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.services.served import Served, serving

PATH: Final = "/work/"
_DAV, _CAL = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}"
_PAGE = 3  # things in one page of a listing
_MOST_SILENT = 3  # requests; each is waited for
_BOMB = (
    '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    '<d:multistatus xmlns:d="DAV:"><d:response><d:href>&b;</d:href></d:response></d:multistatus>'
)


class Fault(StrEnum):
    """What may befall a request."""

    BUSY = "429 or 503"
    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after it was done"
    SILENT = "no answer after it was done"
    TRUNCATED = "a page that ends in the middle"
    BOMB = "an entity bomb"
    MIXED = "207 with an error in it"
    FORGETFUL = "an invalid sync token"
    OVERTAKEN = "412, somebody was quicker"
    UNTAGGED = "no ETag for what was put"


_OF_A_LISTING = (Fault.TRUNCATED, Fault.BOMB, Fault.MIXED, Fault.FORGETFUL)
_OF_A_CHANGE = (Fault.CUT_AFTER, Fault.SILENT, Fault.OVERTAKEN, Fault.UNTAGGED)
_OF_ALL = (Fault.BUSY, Fault.CUT_BEFORE)


@dataclass(slots=True)
class FaultyDav:
    """The calendar, and what goes wrong with it."""

    random: Random
    chance: float = 0.0
    """That something befalls a request."""
    things: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    """Name to version and content."""
    log: list[str] = field(default_factory=list[str])
    oldest: int = 0
    """The first sync token that is still taken."""
    hit: Counter[Fault] = field(default_factory=Counter[Fault])
    overtook: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Name, what was there before, what they wrote."""
    served: Served | None = None

    @property
    def url(self) -> str:
        """The calendar's address."""
        assert self.served
        return f"{self.served.url}{PATH}"

    def edit(self, name: str, content: str | None) -> None:
        """Change or remove a thing, as another client does."""
        if content is None:
            self.things.pop(name, None)
        else:
            self.things[name] = (len(self.log) + 1, content)
        self.log.append(name)

    async def serve(self, request: Request) -> Response:
        """Answer, or break down."""
        fault = self._fault(request)
        if fault is Fault.BUSY:
            return Response(
                status_code=self.random.choice([429, 503]), headers={"Retry-After": "7"}
            )
        if fault is Fault.CUT_BEFORE:
            return self._cut(request)
        name = unquote(request.path_params["name"])
        answer = self._change(request, name, await request.body(), fault)
        if fault is Fault.CUT_AFTER:
            return self._cut(request)
        if fault is Fault.SILENT:
            await anyio.sleep_forever()
        return answer

    async def report(self, request: Request) -> Response:
        """A listing of what changed, or the contents of things, or what this is."""
        fault = self._fault(request)
        if fault is Fault.BUSY:
            return Response(status_code=self.random.choice([429, 503]))
        if fault is Fault.CUT_BEFORE:
            return self._cut(request)
        asked = Xml.fromstring(await request.body())
        if asked.tag == f"{_CAL}calendar-multiget":
            answer = self._contents([e.text or "" for e in asked.iter(f"{_DAV}href")], fault)
        elif asked.tag == f"{_DAV}sync-collection":
            answer = self._changes(asked.findtext(f"{_DAV}sync-token") or "", fault)
        else:
            answer = _multistatus(self._answers(sorted(self.things), fault))
        if fault is Fault.BOMB:
            return Response(_BOMB, status_code=207)
        if fault is Fault.TRUNCATED and answer.status_code == 207:
            return Response(bytes(answer.body)[: len(answer.body) // 2], status_code=207)
        return answer

    def _fault(self, request: Request) -> Fault | None:
        if self.random.random() >= self.chance:
            return None
        kinds = _OF_A_LISTING if request.method in ("REPORT", "PROPFIND") else _OF_A_CHANGE
        fault = self.random.choice([*kinds, *kinds, *_OF_ALL])
        if fault is Fault.SILENT and self.hit[fault] >= _MOST_SILENT:
            fault = Fault.CUT_AFTER
        self.hit[fault] += 1
        return fault

    def _change(self, request: Request, name: str, body: bytes, fault: Fault | None) -> Response:
        """PUT or DELETE, if the version that the client knows is the one there is."""
        if fault is Fault.OVERTAKEN and name in self.things:
            before = self.things[name][1]
            self.edit(name, _renamed(before, f"stranger {len(self.log)}"))
            self.overtook.append((name, before, self.things[name][1]))
        known = self.things.get(name)
        if request.headers.get("if-none-match") == "*" and known:
            return Response(status_code=412)
        wanted = request.headers.get("if-match")
        if wanted and (known is None or wanted != f'"{known[0]}"'):
            return Response(status_code=412 if known or request.method == "PUT" else 404)
        if request.method == "DELETE":
            if known is None:
                return Response(status_code=404)
            self.edit(name, None)
            return Response(status_code=204)
        self.edit(name, body.decode())
        tag = {} if fault is Fault.UNTAGGED else {"ETag": f'"{self.things[name][0]}"'}
        return Response(status_code=204 if known else 201, headers=tag)

    def _changes(self, token: str, fault: Fault | None) -> Response:
        if fault is Fault.FORGETFUL:
            self.oldest = len(self.log) + 1
        since = int(token.removeprefix("t")) if token else 0
        if token and since < self.oldest:
            error = '<d:error xmlns:d="DAV:"><d:valid-sync-token/></d:error>'
            return Response(error, status_code=403)
        upto = min(since + _PAGE, len(self.log))
        answers = self._answers(list(dict.fromkeys(self.log[since:upto])), fault)
        if upto < len(self.log):
            answers.append(_said(PATH, 507))
        return _multistatus(answers, token=f"t{upto}")

    def _contents(self, hrefs: list[str], fault: Fault | None) -> Response:
        names = [unquote(each.rpartition("/")[2]) for each in hrefs]
        return _multistatus(self._answers(names, fault, is_whole=True))

    def _answers(
        self, names: list[str], fault: Fault | None, *, is_whole: bool = False
    ) -> list[str]:
        """One for each; of one of them there may be an error in its place, or nothing at all."""
        answers = [self._tag(name, is_whole=is_whole) for name in names]
        if fault is Fault.MIXED and names:
            unlucky = self.random.randrange(len(names))
            status = self.random.choice([403, 500, 0] if is_whole else [403, 500])
            answers[unlucky] = _said(f"{PATH}{names[unlucky]}", status) if status else ""
        return answers

    def _tag(self, name: str, *, is_whole: bool = False) -> str:
        if name not in self.things:
            return _said(f"{PATH}{name}", 404)
        version, content = self.things[name]
        data = f"<c:calendar-data>{escape(content)}</c:calendar-data>" if is_whole else ""
        return (
            f"<d:response><d:href>{PATH}{escape(name)}</d:href><d:propstat><d:prop>"
            f'<d:getetag>"{version}"</d:getetag>{data}</d:prop>'
            "<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        )

    def _cut(self, request: Request) -> Response:
        assert self.served
        self.served.cut(request)
        return Response()


def _said(href: str, status: int) -> str:
    return (
        f"<d:response><d:href>{escape(href)}</d:href>"
        f"<d:status>HTTP/1.1 {status} X</d:status></d:response>"
    )


def _multistatus(answers: list[str], *, token: str = "") -> Response:
    said = f"<d:sync-token>{token}</d:sync-token>" if token else ""
    text = (
        '<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" '
        f'xmlns:c="urn:ietf:params:xml:ns:caldav">{"".join(answers)}{said}</d:multistatus>'
    )
    return Response(text, status_code=207, media_type="application/xml")


def _renamed(content: str, title: str) -> str:
    lines = content.split("\r\n")
    return "\r\n".join(f"SUMMARY:{title}" if e.startswith("SUMMARY:") else e for e in lines)


@asynccontextmanager
async def faulty_dav(random: Random) -> AsyncGenerator[FaultyDav]:
    """Serve it while the block lasts."""
    there = FaultyDav(random)
    routes = [
        Route(PATH, there.report, methods=["REPORT", "PROPFIND"]),
        Route(f"{PATH}{{name}}", there.serve, methods=["PUT", "DELETE"]),
    ]
    async with serving(Starlette(routes=routes)) as served:
        there.served = served
        yield there

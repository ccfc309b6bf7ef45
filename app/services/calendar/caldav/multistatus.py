"""What a WebDAV server answers to many things at once (RFC 4918, 6578).

The XML is a stranger's: one with a document type, and so with entities, is not read at all.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

DAV = "{DAV:}"
CALDAV = "{urn:ietf:params:xml:ns:caldav}"
_STATUS = re.compile(r"HTTP/\S+ (\d{3})")


class BadAnswer(ValueError):
    """This is no answer of a WebDAV server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was said of one thing."""

    href: str
    status: int
    properties: dict[str, Element] = field(default_factory=dict[str, Element])
    """Those that it has, by their names."""

    def text(self, name: str) -> str:
        """What a property says; empty if it is not there."""
        found = self.properties.get(name)
        return "" if found is None else (found.text or "")

    def href_in(self, name: str) -> str:
        """The first address that a property names."""
        found = self.properties.get(name)
        inner = None if found is None else found.find(f"{DAV}href")
        return "" if inner is None else (inner.text or "").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Multistatus:
    """All answers, and the token that stands for them."""

    answers: tuple[Answer, ...]
    sync_token: str


class _Guarded(TreeBuilder):
    """Builds a tree of anything but a document type."""

    def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
        """Called where one is declared."""
        raise BadAnswer("its answer declares entities")


def parse(data: bytes) -> Multistatus:
    """Take an answer apart; raises `BadAnswer`."""
    root = _root(data)
    if root.tag != f"{DAV}multistatus":
        raise BadAnswer("its answer is not one of WebDAV")
    return Multistatus(
        answers=tuple(filter(None, map(_answer, root.iterfind(f"{DAV}response")))),
        sync_token=(root.findtext(f"{DAV}sync-token") or "").strip(),
    )


def precondition(data: bytes) -> str:
    """Which rule an error says was not kept: `valid-sync-token`; empty if it does not say."""
    try:
        root = _root(data)
    except BadAnswer:
        return ""
    return next((each.tag.rpartition("}")[2] for each in root), "")


def _root(data: bytes) -> Element:
    parser = XMLParser(target=_Guarded())
    try:
        parser.feed(data)
        return parser.close()
    except (ParseError, ValueError, LookupError) as error:
        if isinstance(error, BadAnswer):
            raise
        raise BadAnswer("its answer is no XML, or was cut off") from error


def _answer(response: Element) -> Answer | None:
    href = (response.findtext(f"{DAV}href") or "").strip()
    if not href:
        return None
    status = _status(response.findtext(f"{DAV}status"))
    properties = {each.tag: each for each in _found(response)}
    return Answer(href=href, status=status, properties=properties)


def _found(response: Element) -> Iterator[Element]:
    for propstat in response.iterfind(f"{DAV}propstat"):
        if _status(propstat.findtext(f"{DAV}status")) == HTTPStatus.OK:
            yield from propstat.find(f"{DAV}prop") or ()


def _status(line: str | None) -> int:
    match = _STATUS.match((line or "").strip())
    return int(match[1]) if match else int(HTTPStatus.OK)

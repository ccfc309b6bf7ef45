"""Finds the calendars of an account, from whatever address of it somebody typed (RFC 6764)."""

from dataclasses import dataclass
from typing import Final

from app.services.calendar.caldav.multistatus import CALDAV, DAV, Answer
from app.services.calendar.caldav.questions import WHO
from app.services.calendar.caldav.server import CalDavServer
from app.services.mirror import RemoteRefused

_MOST: Final = 50  # calendars of an account
_WELL_KNOWN: Final = "/.well-known/caldav"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A calendar of an account."""

    url: str
    title: str


async def find_calendars(server: CalDavServer) -> tuple[Found, ...]:
    """The calendars for events, by their addresses. Raises `RemoteError`."""
    base, answer = await _first(server)
    if _is_calendar(answer):
        return (_found(server, base, answer),)
    home = answer.href_in(f"{CALDAV}calendar-home-set")
    if not home and (principal := answer.href_in(f"{DAV}current-user-principal")):
        base, answer = await _about(server, server.join(base, principal))
        home = answer.href_in(f"{CALDAV}calendar-home-set")
    if not home:
        raise RemoteRefused(f"{server.host} names no calendars for this user at this address")
    base, listing = await server.find(server.join(base, home), WHO, depth=1)
    found = [_found(server, base, each) for each in listing.answers if _is_calendar(each)]
    return tuple(sorted(found, key=lambda each: each.url)[:_MOST])


async def _first(server: CalDavServer) -> tuple[str, Answer]:
    """What the address from the settings is; at a bare host it may be elsewhere."""
    try:
        return await _about(server, str(server.url))
    except RemoteRefused:
        if server.url.path not in ("", "/"):
            raise
        return await _about(server, server.join(str(server.url), _WELL_KNOWN))


async def _about(server: CalDavServer, url: str) -> tuple[str, Answer]:
    base, listing = await server.find(url, WHO, depth=0)
    if not listing.answers:
        raise RemoteRefused(f"{server.host} says nothing of this address")
    return base, listing.answers[0]


def _is_calendar(answer: Answer) -> bool:
    kind = answer.properties.get(f"{DAV}resourcetype")
    if kind is None or kind.find(f"{CALDAV}calendar") is None:
        return False
    holds = answer.properties.get(f"{CALDAV}supported-calendar-component-set")
    return holds is None or not len(holds) or any(e.get("name") == "VEVENT" for e in holds)


def _found(server: CalDavServer, base: str, answer: Answer) -> Found:
    url = server.join(base, answer.href)
    title = answer.text(f"{DAV}displayname").strip() or url.rstrip("/").rpartition("/")[2]
    return Found(url=url if url.endswith("/") else f"{url}/", title=title)

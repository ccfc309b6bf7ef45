"""Channels as they are written on the command line, and where a user is told notices."""

from dataclasses import replace
from typing import TYPE_CHECKING

from app.cli.failures import Misused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.storage.ways import Channel, Way, Ways

AS_NOTICES = "as-notices"


def channels_named(names: str, *, option: str) -> "tuple[Channel, ...]":
    """The channels, each once, of names with commas between; raises `Misused`."""
    from app.storage.ways import Channel

    found = [name.strip() for name in names.split(",")]
    for name in found:
        if name not in [*Channel]:
            raise Misused(f"{option}: {name!r} is none of {', '.join(Channel)}")
    return tuple(dict.fromkeys(map(Channel, found)))


class NoticeWays:
    """Where somebody is to be told notices, as they say it; what they leave out stays."""

    def __init__(self, notices: str | None, mail_notices: str | None) -> None:
        """Raises `Misused`."""
        self._notices = _named(notices, option="--notices")
        self._is_usual = mail_notices == AS_NOTICES
        mail = None if self._is_usual else mail_notices
        self._mail_notices = _named(mail, option="--mail-notices")

    async def put(self, ways: "Ways", user_id: int) -> None:
        """Let it be so from now on."""
        from app.storage.ways import Channel, Way

        known = await ways.of(user_id)
        before = [known.get(each, Way(channel=each)) for each in Channel]
        changed = [(way, self._changed(way)) for way in before]
        await ways.put(user_id, *(after for way, after in changed if after != way))

    def _changed(self, way: "Way") -> "Way":
        if self._notices is not None:
            way = replace(way, notices=way.channel in self._notices)
        if self._is_usual:
            return replace(way, mail_notices=None)
        if self._mail_notices is not None:
            return replace(way, mail_notices=way.channel in self._mail_notices)
        return way


def notice_facts(ways: "Mapping[Channel, Way]") -> dict[str, list[str]]:
    """Where a user is told notices, and those of important mail, beside in the application."""
    return {
        "notices": [each.channel.value for each in ways.values() if _goes(each.notices, each)],
        "mail_notices": [e.channel.value for e in ways.values() if _goes(e.tells_of_mail, e)],
    }


def _named(names: str | None, *, option: str) -> "frozenset[Channel] | None":
    if names is None:
        return None
    return frozenset(channels_named(names, option=option) if names else ())


def _goes(is_told: bool, way: "Way") -> bool:
    return is_told and way.is_wanted and way.channel.value != "in_app"

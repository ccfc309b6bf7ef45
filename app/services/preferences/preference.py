"""What a file of preferences says, or one line about what is wrong with it, naming the field."""

import re
import tomllib
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from app.services.bad_field import BadField
from app.storage.ways import Channel, InvalidWay, Way

_MESSAGE: Final = re.compile(r"(?P<said>.*?)(?: - at `(?:key in )?\$\.?(?P<path>.*?)`)?")
_WANTED: Final = {"bool": "true or false", "str": 'a text in "quotes"', "object": "a table"}
_EXPECTED: Final = re.compile(r"Expected `(\w+)")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*?)`")

T = TypeVar("T")


class BadPreference(BadField):
    """A preference that cannot be."""


class _ChannelTable(msgspec.Struct, forbid_unknown_fields=True):
    address: str | None = None
    secret: str | None = None
    wanted: bool | None = None
    notices: bool | None = None
    mail_notices: bool | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    user: str = ""
    timezone: str | None = None
    wants_mail: bool | None = None
    quiet_hours: str | None = None
    channels: dict[str, _ChannelTable] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What one file says; None is what it leaves out."""

    user: str
    timezone: str | None
    wants_mail: bool | None
    quiet_hours: str | None
    channels: dict[Channel, _ChannelTable] = field(repr=False)

    def ways(self, known: dict[Channel, Way]) -> list[Way]:
        """The ways as they are to be from now on; raises `BadPreference`."""
        return [self._way(each, known.get(each)) for each in self.channels]

    @property
    def notices(self) -> bool | None:
        """Whether it says anything of where notices go."""
        return any(each.notices is not None for each in self.channels.values()) or None

    def _way(self, channel: Channel, known: Way | None) -> Way:
        table, before = self.channels[channel], known or Way(channel=channel)
        try:
            return Way(
                channel=channel,
                address=_given(table.address, before.address),
                secret=_given(table.secret, before.secret),
                is_wanted=_given(table.wanted, before.is_wanted),
                notices=_given(table.notices, before.notices),
                mail_notices=_given(table.mail_notices, before.mail_notices),
            )
        except InvalidWay as error:
            said = str(error).removeprefix(f"{channel}: ")
            raise BadPreference(f"channels.{channel}", said) from None


def _given(said: T | None, before: T) -> T:
    return before if said is None else said


def parse(text: str) -> Preference:
    """What the file says; raises `BadPreference`, which repeats no value: it may be a secret."""
    try:
        found = msgspec.convert(tomllib.loads(text), _File)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at (.*)\)", str(error))
        raise BadPreference("the file", f"it is no TOML ({where[1] if where else 'end'})") from None
    except msgspec.ValidationError as error:
        raise _bad(str(error)) from None
    return Preference(
        user=found.user,
        timezone=found.timezone,
        wants_mail=found.wants_mail,
        quiet_hours=found.quiet_hours,
        channels={_channel(name): each for name, each in found.channels.items()},
    )


def _channel(name: str) -> Channel:
    try:
        return Channel(name)
    except ValueError:
        raise BadPreference(f"channels.{name[:40]}", f"must be {', '.join(Channel)}") from None


def _bad(message: str) -> BadPreference:
    match = _MESSAGE.fullmatch(message)
    said, path = (match["said"], match["path"] or "") if match else (message, "")
    path = path.replace("[...]", "")  # where the name of a channel stands
    if unknown := _UNKNOWN.search(said):
        return BadPreference(".".join(filter(None, (path, unknown[1]))), "there is no such field")
    if expected := _EXPECTED.search(said):
        return BadPreference(path, f"must be {_WANTED.get(expected[1], expected[1])}")
    return BadPreference(path or "the file", said)

"""What lies in a mirrored calendar: .ics files of one event each, a series counting as one."""

import re
from hashlib import sha256
from typing import Final

from app.services.ics.document import NotACalendar, Series, alarms, parse
from app.services.mirror import BadItem

_UID: Final = re.compile(rb"^(UID(?:;[^:\r\n]*)?:)[^\r\n]*((?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE)
_OURS: Final = "steward-copy-"


class IcsFormat:
    """Tells apart what people see apart: not when a file was written, nor in which order.

    An alarm is seen, too: one that was set on a telephone must not be overwritten from here.
    """

    suffix = ".ics"

    def digest(self, data: bytes) -> str:
        """Of the events in it, or of the bytes where there is none."""
        found = _events(data)
        if not found:
            return sha256(data.strip()).hexdigest()
        told = [*(each.uid + each.digest for each in found), *alarms(data)]
        return sha256("".join(told).encode()).hexdigest()

    def check(self, data: bytes) -> None:
        """Refuse what holds no event, or several: a server has an address for each."""
        if (count := len(_events(data))) != 1:
            raise BadItem(f"it holds {count} events; a server takes one a file")

    def copied(self, data: bytes) -> bytes:
        """The same event under a UID of its own."""
        uid = f"{_OURS}{sha256(data).hexdigest()[:32]}".encode()
        return _UID.sub(lambda found: found[1] + uid, data)


def _events(data: bytes) -> list[Series]:
    try:
        series, _ = parse(data).series()
    except NotACalendar:
        return []
    return sorted(series, key=lambda each: each.uid)

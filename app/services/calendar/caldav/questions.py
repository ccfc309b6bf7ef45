"""What a CalDAV server is asked: the XML of each question."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

_HEAD: Final = '<?xml version="1.0" encoding="utf-8"?>'
_SPACES: Final = 'xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"'

WHO: Final = f"""{_HEAD}<d:propfind {_SPACES}><d:prop>
<d:resourcetype/><d:displayname/><d:current-user-principal/><c:calendar-home-set/>
<c:supported-calendar-component-set/></d:prop></d:propfind>""".encode()
"""Who we are, where our calendars are, and what this is."""

TAGS: Final = f"""{_HEAD}<d:propfind {_SPACES}><d:prop>
<d:getetag/><d:resourcetype/></d:prop></d:propfind>""".encode()
"""The version of each thing."""


def changes(token: str) -> bytes:
    """What has changed since the token; all there is for an empty one."""
    return (
        f"{_HEAD}<d:sync-collection {_SPACES}><d:sync-token>{escape(token)}</d:sync-token>"
        "<d:sync-level>1</d:sync-level><d:prop><d:getetag/></d:prop></d:sync-collection>"
    ).encode()


def contents(hrefs: Sequence[str]) -> bytes:
    """These things, content and all."""
    wanted = "".join(f"<d:href>{escape(each)}</d:href>" for each in hrefs)
    return (
        f"{_HEAD}<c:calendar-multiget {_SPACES}><d:prop><d:getetag/><c:calendar-data/></d:prop>"
        f"{wanted}</c:calendar-multiget>"
    ).encode()

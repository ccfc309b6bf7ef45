"""What a user may write into a task, checked field by field; `BadTask` names the one it refuses."""

from collections.abc import Iterable
from unicodedata import category

from app.services.bad_field import BadTask
from app.services.notifications import Channel
from app.storage.task import LONGEST_TITLE

_LONGEST_TEXT = 20_000  # characters of a description or a context


def plain_title(given: str) -> str:
    """One line of text, trimmed."""
    title = given.strip()
    if not 1 <= len(title) <= LONGEST_TITLE:
        raise BadTask("title", f"must be 1 to {LONGEST_TITLE} characters, not {len(title)}")
    if not all(map(_is_plain, title)):
        raise BadTask("title", "must not hold control characters")
    return title


def plain_text(field: str, given: str) -> str:
    """Text of several lines, possibly none."""
    if len(given) > _LONGEST_TEXT:
        raise BadTask(field, f"must be at most {_LONGEST_TEXT} characters, not {len(given)}")
    if not all(_is_plain(each) or each in "\n\r\t" for each in given):
        raise BadTask(field, "must not hold control characters")
    return given


def _is_plain(character: str) -> bool:
    return category(character) not in ("Cc", "Cs")  # Cs: half a character, which no file holds


def channel_names(channels: Iterable[Channel]) -> tuple[str, ...]:
    """The channels by name, each once, in their order."""
    return tuple(dict.fromkeys(each.value for each in channels))

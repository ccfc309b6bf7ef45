"""What a sync of notes did, in numbers and in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.services.ics.event import cleaned
from app.services.mirror import Mirrored

_TOLD = 20  # errors in a result; the rest are counted
_LONGEST = 300  # characters of an error


class NotesStatus(StrEnum):
    """How it went, on the whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    """Some notes could not be synced; the others are in step."""
    NOT_CONFIGURED = "not_configured"
    """There is no account to be in step with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotesSynced:
    """How the notes changed on both sides, and what could not be synced."""

    status: NotesStatus = NotesStatus.SUCCESS
    new: int = 0
    """Pages that are now files here."""
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    sent_new: int = 0
    """Files that are now pages there."""
    sent: int = 0
    sent_deleted: int = 0
    conflicts: int = 0
    """Notes that were changed on both sides: both are kept."""
    failed: int = 0
    errors: tuple[str, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict[str, str])
    """Marks of what is suddenly gone and left alone until a person says so, each in words."""


def synced_of(done: Mirrored) -> NotesSynced:
    """The result of a mirror."""
    told = [cleaned(each, _LONGEST).replace("\n", " ") for each in done.errors]
    more = len(told) - _TOLD
    if more > 0:
        told = [*told[:_TOLD], f"and {more} more"]
    return NotesSynced(
        status=NotesStatus.PARTIAL_SUCCESS if done.failed else NotesStatus.SUCCESS,
        new=done.new,
        updated=done.updated,
        deleted=done.deleted,
        unchanged=done.unchanged,
        sent_new=done.sent_new,
        sent=done.sent,
        sent_deleted=done.sent_deleted,
        conflicts=done.conflicts,
        failed=done.failed,
        errors=tuple(told),
        held=done.held,
    )

"""What to do about one file: decided from its digests, of which None is no file."""

import os
from enum import Enum, auto

_LONGEST_NAME = 255  # bytes, on most file systems


class Act(Enum):
    """What makes both sides alike."""

    NOTHING = auto()
    SEND = auto()
    """Here it has changed: theirs becomes ours."""
    FETCH = auto()
    REMOVE_HERE = auto()
    REMOVE_THERE = auto()
    KEEP_BOTH = auto()
    """Both have changed: theirs is kept under another name, on both sides."""


def decide(then: str | None, here: str | None, there: str | None) -> Act:
    """What to do; `then` is what both sides were when they were last alike.

    Who has changed a file wins over who has removed it.
    """
    if here == there:
        return Act.NOTHING
    if there == then:
        return Act.REMOVE_THERE if here is None else Act.SEND
    if here == then:
        return Act.REMOVE_HERE if there is None else Act.FETCH
    if here is None:
        return Act.FETCH
    return Act.SEND if there is None else Act.KEEP_BOTH


def other_name(path: str, digest: str) -> str:
    """The name for the second of two: the same whenever it is the same file, so no third comes."""
    folder, slash, name = path.rpartition("/")
    stem, ending = os.path.splitext(name)
    mark = f" (conflict {digest[:8]})"
    room = _LONGEST_NAME - len(os.fsencode(mark + ending))
    if room < 1:
        stem, ending, room = name, "", _LONGEST_NAME - len(mark)
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return f"{folder}{slash}{stem}{mark}{ending}"

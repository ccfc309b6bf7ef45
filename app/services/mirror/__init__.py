"""Keeps a folder and an account somewhere else in step, both ways, losing nothing.

item.py      what lies on either side, and what can go wrong with it
remote.py    Remote: anything that holds things under ids and tells their versions
folder.py    MirrorFolder: the files on this side
plan.py      what has to happen to one thing: pure
landslide.py what is too much to be gone at once: pure
namesake.py  which new file belongs to which new thing there, and what was only renamed
mirror.py    Mirror: asks both sides, decides, acts, and writes down what it did
mirrored.py  Mirrored: what a sync did

What was done to a thing is written down after it happened, thing by thing. So a sync that died is
simply done again: what it did is found on both sides, alike, and counts as unchanged.

What was changed on both sides is a conflict, and both are kept: theirs under the name it has, ours
beside it as a copy that goes to the other side as a new thing. A change wins over a removal.
"""

from app.services.mirror.folder import MirrorFolder
from app.services.mirror.item import (
    BadItem,
    Changes,
    Clash,
    Fetched,
    Gone,
    RemoteError,
    RemoteRefused,
    RemoteUnavailable,
    There,
)
from app.services.mirror.mirror import Mirror
from app.services.mirror.mirrored import Mirrored
from app.services.mirror.remote import Format, Remote

__all__ = [
    "BadItem",
    "Changes",
    "Clash",
    "Fetched",
    "Format",
    "Gone",
    "Mirror",
    "MirrorFolder",
    "Mirrored",
    "Remote",
    "RemoteError",
    "RemoteRefused",
    "RemoteUnavailable",
    "There",
]

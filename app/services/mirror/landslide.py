"""Notices that a side has suddenly lost everything, or most of it: a disk that is not mounted, a
wrong path, an empty answer. None of that is taken for removals until a person says so.

While nobody has, nothing of the mirror is synced: whatever came to the emptied side would make the
rest look like single removals. So things are as they were once the disk is back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from app.services.mirror.pair import Pair

_FEW = 10  # things may go at once without a question, unless they are all; of more, not the half
_MARK = 8  # characters that a person repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Landslide:
    """What is gone from one side, and not from the other."""

    where: str
    gone: int
    known: int
    mark: str
    """What to say so that it is taken for removals: it holds for these things, and this time."""

    def told(self, command: str) -> str:
        """What has happened, and how to go on; `command` is what syncs by hand."""
        return (
            f"`{command} removals={self.mark}` removes on the other side, too, what is suddenly "
            f"gone from {self.where}, {self.gone} of {self.known}; or bring it back: nothing is "
            f"synced until then"
        )


def landslides(pairs: Sequence[Pair], name: str, *, recoveries: int = 0) -> list[Landslide]:
    """Those of a mirror of this name, one a side at most; with other marks each time."""
    times = (str(recoveries),) if recoveries else ()
    known = [each for each in pairs if each.known and each.known.remote_id]
    here = {each.name for each in known if each.here is None}
    there = {each.name for each in known if each.is_gone}
    found = list[Landslide]()
    for where, gone, too in (("the folder", here, there), ("the account", there, here)):
        alone = len(gone - too)
        is_most = alone > _FEW and 2 * alone > len(known)
        if alone and (is_most or len(gone) == len(known)):
            mark = _mark(name, where, *times, *sorted(gone - too))
            found.append(Landslide(where=where, gone=alone, known=len(known), mark=mark))
    return found


def _mark(*parts: str) -> str:
    digest = sha256()
    for part in parts:
        digest.update(part.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()[:_MARK]

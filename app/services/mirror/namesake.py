"""Which file belongs to which thing there: those known, those renamed, and those just found.

Names are chosen so that a sync that died chooses the same ones again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from app.services.mirror.folder import Scan
from app.services.mirror.item import Changes, There
from app.services.mirror.pair import Pair
from app.storage.mirror import MirrorItem

_SHORT = 6  # characters of a digest that tell two things of one name apart


@dataclass(slots=True)
class Namesakes:
    """Brings both sides together."""

    known: tuple[MirrorItem, ...]
    scan: Scan
    changes: Changes
    _new_files: dict[str, str] = field(init=False)
    _new_there: list[There] = field(init=False)
    _taken: set[str] = field(init=False)

    def __post_init__(self) -> None:
        names = {each.name for each in self.known}
        ids = {each.remote_id for each in self.known}
        self._new_files = {n: d for n, d in self.scan.files.items() if n not in names}
        fresh = (each for each in self.changes.items if each.id not in ids)
        self._new_there = sorted(fresh, key=lambda each: each.id)
        self._taken = {n.casefold() for n in (*names, *self.scan.files, *self.scan.bad)}

    def pairs(self) -> list[Pair]:
        """Everything on either side, each thing once."""
        listed = {each.id: each for each in self.changes.items}
        found = [self._of(each, listed) for each in self.known if each.name not in self.scan.bad]
        found += [self._newcomer(each) for each in self._new_there]
        found += [Pair(name=name, here=digest) for name, digest in self._new_files.items()]
        return [each for each in found if not self._is_bad(each)]

    def _of(self, item: MirrorItem, listed: dict[str, There]) -> Pair:
        there = listed.get(item.remote_id or "") or self._arrived(item)
        is_gone = there is None and (item.remote_id is None or item.remote_id in self.changes.gone)
        here = self.scan.files.get(item.name)
        name = item.name
        if here is None and not item.is_pending:
            name, here = self._moved(item) or (name, None)
        return Pair(name=name, known=item, here=here, there=there, is_gone=is_gone)

    def _arrived(self, item: MirrorItem) -> There | None:
        """What we were about to make there when we died."""
        if item.remote_id is not None:
            return None
        for each in self._new_there:
            if each.name == item.asked:
                self._new_there.remove(each)
                return each
        return None

    def _moved(self, item: MirrorItem) -> tuple[str, str] | None:
        """The new file with its content, if there is exactly one: the file was renamed."""
        alike = [n for n, digest in self._new_files.items() if digest == item.here]
        return (alike[0], self._new_files.pop(alike[0])) if len(alike) == 1 else None

    def _newcomer(self, there: There) -> Pair:
        for name in self.names_for(there):
            if name in self._new_files:
                return Pair(name=name, here=self._new_files.pop(name), there=there)
        return Pair(name=self.free_name(there), there=there)

    def names_for(self, there: There) -> Iterator[str]:
        """The names that a thing may have here, the best last."""
        stem, dot, suffix = there.name.rpartition(".")
        short = sha256(there.id.encode()).hexdigest()[:_SHORT]
        yield f"{stem} ({short}){dot}{suffix}"
        yield there.name

    def free_name(self, there: There) -> str:
        """A name that nothing here has."""
        longer, usual = self.names_for(there)
        name = longer if usual.casefold() in self._taken else usual
        self._taken.add(name.casefold())
        return name

    def _is_bad(self, pair: Pair) -> bool:
        return pair.known is not None and pair.known.remote_id in self.changes.bad

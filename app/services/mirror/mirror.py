"""Brings a folder and an account elsewhere in step: asks both, and has each thing settled."""

from collections.abc import Sequence
from dataclasses import replace

from app.services.mirror.folder import MirrorFolder, Scan
from app.services.mirror.item import Changes
from app.services.mirror.mirrored import Mirrored
from app.services.mirror.namesake import Namesakes
from app.services.mirror.pair import Pair
from app.services.mirror.remote import Remote
from app.services.mirror.settler import Settler
from app.storage.mirror import MirrorBook, MirrorItem

_FEW = 10  # things may go at once without a question; of more than these, not the half


class Mirror:
    """One folder and one account of one user."""

    def __init__(self, folder: MirrorFolder, remote: Remote, book: MirrorBook) -> None:
        self._folder = folder
        self._remote = remote
        self._book = book
        self.done = Mirrored()
        """What the sync has done so far, also when it ended with an error."""

    async def sync(self) -> Mirrored:
        """Do what is to be done on both sides. Safe to repeat: the second time nothing changes.

        Raises `RemoteError` when the other side can't be reached; what was done until then is
        written down. Raises `BadItem` when the folder can't be read.
        """
        cursor, known = await self._book.open()
        scan = await self._folder.scan()
        if scan.is_missing and known:  # nobody meant to remove everything: it is filled again
            await self._book.forget()
            cursor, known = "", ()
        changes = await self._changes(cursor, known)
        settler = Settler(self._folder, self._remote, self._book)
        self.done = settler.done
        await self._settle(settler, known, scan, changes)
        if not self.done.failed:
            await self._book.reach(changes.cursor)
        return self.done

    async def _changes(self, cursor: str, known: Sequence[MirrorItem]) -> Changes:
        """What has changed there; what a whole listing lacks is asked for once more."""
        changes = await self._remote.changes(cursor)
        if not changes.is_whole:
            return changes
        seen = {each.id for each in changes.items} | changes.bad.keys() | changes.gone
        missing = [each.remote_id for each in known if each.remote_id not in seen]
        gone = await self._remote.gone([id for id in missing if id is not None])
        return replace(changes, gone=changes.gone | gone, is_whole=False)

    async def _settle(
        self, settler: Settler, known: Sequence[MirrorItem], scan: Scan, changes: Changes
    ) -> None:
        for name, reason in (scan.bad | changes.bad).items():
            self.done.fail(name, reason)
        pairs = self._without_landslide(Namesakes(tuple(known), scan, changes).pairs(), len(known))
        looks = [each for each in pairs if each.needs_look]
        for start in range(0, len(looks), self._remote.batch):
            some = looks[start : start + self._remote.batch]
            found = await self._remote.fetch([each.id for each in some])
            for pair, fetched in zip(some, found, strict=True):
                await settler.settle(pair, fetched)
        for pair in pairs:
            if not pair.needs_look:
                await settler.settle(pair)

    def _without_landslide(self, pairs: list[Pair], known: int) -> list[Pair]:
        """Leave out removals where most is gone at once: a lost disk, or an empty answer."""
        told = [each for each in pairs if each.known and each.known.remote_id]
        here = [each for each in told if each.here is None and not each.is_gone]
        there = [each for each in told if each.here is not None and each.is_gone]
        kept = list(pairs)
        for gone, where in ((here, "the folder"), (there, self._remote.label)):
            if len(gone) > _FEW and 2 * len(gone) > known:
                self.done.fail(
                    where,
                    f"{len(gone)} of {known} are suddenly gone, so none was removed on the other "
                    "side: remove them there too, some at a time, if that is meant",
                )
                skipped = set(map(id, gone))
                kept = [each for each in kept if id(each) not in skipped]
        return kept

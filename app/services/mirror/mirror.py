"""Brings a folder and an account elsewhere in step: asks both, and has each thing settled."""

from collections.abc import Sequence
from dataclasses import replace

from app.services.mirror.folder import MirrorFolder, Scan
from app.services.mirror.item import Changes
from app.services.mirror.landslide import landslides
from app.services.mirror.mirrored import Mirrored
from app.services.mirror.namesake import Namesakes
from app.services.mirror.pair import Pair
from app.services.mirror.remote import Remote
from app.services.mirror.settler import Settler
from app.storage.mirror import RESTORED, MirrorBook, MirrorItem


class Mirror:
    """One folder and one account of one user."""

    def __init__(
        self, folder: MirrorFolder, remote: Remote, book: MirrorBook, *, command: str
    ) -> None:
        """`command` is what somebody types to sync it by hand."""
        self._folder = folder
        self._remote = remote
        self._book = book
        self._command = command
        self.done = Mirrored()
        """What the sync has done so far, also when it ended with an error."""

    async def sync(self, *, removals: str = "") -> Mirrored:
        """Do what is to be done on both sides. Safe to repeat: the second time nothing changes.

        Does nothing when one side has suddenly lost everything, or most of it, but say so, until
        `removals` is the mark that it names.
        Raises `RemoteError` when the other side can't be reached; what was done until then is
        written down. Raises `BadItem` when the folder can't be read.
        """
        cursor, known = await self._book.open()
        scan = await self._folder.scan()
        if scan.is_missing and known:  # nobody meant to remove everything: it is filled again
            await self._book.forget()
            cursor, known = "", ()
        is_restored = cursor == RESTORED
        changes = await self._changes("" if is_restored else cursor, known)
        if is_restored:
            known = await self._merged(known, scan, changes)
        settler = Settler(self._folder, self._remote, self._book)
        self.done = settler.done
        for name, reason in (scan.bad | changes.bad).items():
            self.done.fail(name, reason)
        pairs = Namesakes(tuple(known), scan, changes).pairs()
        if self._is_held(pairs, removals):
            await self._book.hold()
            return self.done
        await self._settle(settler, pairs)
        if not self.done.failed:
            await self._book.reach(changes.cursor)
        await self._book.recover()
        return self.done

    def _is_held(self, pairs: Sequence[Pair], removals: str) -> bool:
        """Whether a person has to say first that what is gone is meant to be."""
        for each in landslides(pairs, self._remote.name, recoveries=self._book.recoveries):
            if each.mark != removals:
                self.done.hold(each.mark, each.told(self._command))
        return self.done.is_held

    async def _changes(self, cursor: str, known: Sequence[MirrorItem]) -> Changes:
        """What has changed there; what a whole listing lacks is asked for once more."""
        changes = await self._remote.changes(cursor)
        if not changes.is_whole:
            return changes
        seen = {each.id for each in changes.items} | changes.bad.keys() | changes.gone
        missing = [each.remote_id for each in known if each.remote_id not in seen]
        gone = await self._remote.gone([id for id in missing if id is not None])
        return replace(changes, gone=changes.gone | gone, is_whole=False)

    async def _merged(
        self, known: Sequence[MirrorItem], scan: Scan, changes: Changes
    ) -> tuple[MirrorItem, ...]:
        """Without what one side lacks: after a restore it is new on the other, and not removed."""
        here = scan.files.keys() | scan.bad.keys()
        lacks = [each for each in known if each.name not in here or each.remote_id in changes.gone]
        await self._book.begin_again(each.name for each in lacks)
        return tuple(each for each in known if each not in lacks)

    async def _settle(self, settler: Settler, pairs: Sequence[Pair]) -> None:
        looks = [each for each in pairs if each.needs_look]
        for start in range(0, len(looks), self._remote.batch):
            some = looks[start : start + self._remote.batch]
            found = await self._remote.fetch([each.id for each in some])
            for pair, fetched in zip(some, found, strict=True):
                await settler.settle(pair, fetched)
        for pair in pairs:
            if not pair.needs_look:
                await settler.settle(pair)

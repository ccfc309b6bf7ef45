"""Does what has to be done to one thing, and writes it down."""

import logging
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

from app.services.mirror.folder import MirrorFolder
from app.services.mirror.item import BadItem, Changes, Clash, Fetched, Gone
from app.services.mirror.mirrored import Mirrored
from app.services.mirror.namesake import Namesakes
from app.services.mirror.pair import Pair
from app.services.mirror.plan import Action, Side, decide
from app.services.mirror.remote import Remote
from app.storage.mirror import MirrorBook, MirrorItem

logger = logging.getLogger(__name__)

_MARK = 8  # characters of a digest in the name of a copy


class Settler:
    """Settles one thing after the other, and counts."""

    def __init__(self, folder: MirrorFolder, remote: Remote, book: MirrorBook) -> None:
        self._folder = folder
        self._remote = remote
        self._book = book
        self._digest = folder.format.digest
        self.done = Mirrored()

    async def settle(self, pair: Pair, fetched: Fetched | Exception | None = None) -> None:
        """Bring a thing in step, and count what was done; what can't be is told.

        `fetched` is what was found there, if somebody looked. Raises `RemoteError`.
        """
        try:
            await self._found(pair, fetched)
        except (Clash, Gone) as overtaken:
            await self._once_more(pair, overtaken)
        except BadItem as error:
            self.done.fail(pair.name, error)

    async def _once_more(self, pair: Pair, overtaken: Clash | Gone) -> None:
        """Somebody was there between our look and our change: look again, once."""
        id = (isinstance(overtaken, Clash) and overtaken.id) or pair.id
        try:
            if not id:
                raise overtaken
            (found,) = await self._remote.fetch([id])
            await self._found(pair, found)
        except BadItem as error:
            self.done.fail(pair.name, error)

    async def _found(self, pair: Pair, found: Fetched | Exception | None) -> None:
        match found:
            case Gone():
                await self._act(replace(pair, there=None, is_gone=True), None)
            case Exception():
                raise found
            case _:
                await self._act(pair, found)

    async def _act(self, pair: Pair, fetched: Fetched | None) -> None:
        there = pair.there_side(fetched, self._folder.format)
        match decide(pair.here_side, there), fetched:
            case Action.NOTHING, _:
                await self._leave(pair, fetched)
            case Action.FETCH, Fetched():
                await self._fetch(pair, fetched)
            case Action.COMPARE, Fetched():
                await self._compare(pair, fetched)
            case Action.SEND, _:
                await self._send(pair, fetched, is_new=there is Side.ABSENT)
            case Action.REMOVE_HERE, _:
                await self._remove_here(pair)
            case Action.REMOVE_THERE, _:
                await self._remove_there(pair, fetched)
            case _:
                await self._forget(pair)

    async def _leave(self, pair: Pair, fetched: Fetched | None) -> None:
        """Nothing but a name may have changed."""
        assert pair.known
        version = fetched.version if fetched else pair.known.version
        item = replace(pair.known, name=pair.name, version=version, asked=pair.asked)
        if pair.there and pair.there.name != pair.known.asked:
            item = replace(item, name=await self._follow(pair))
            self.done.updated += 1
        elif pair.name != pair.known.name and (
            told := await self._remote.rename(pair.id, pair.name)
        ):
            item = replace(item, asked=told, version="")
            self.done.sent += 1
        else:
            self.done.unchanged += 1
        if item != pair.known:
            await self._book.put(item, instead_of=pair.known.name)

    async def _follow(self, pair: Pair) -> str:
        """The other side calls it something else now: so does its file."""
        assert pair.there
        listed = Changes(items=(pair.there,), cursor="", is_whole=False)
        name = Namesakes((), await self._folder.scan(), listed).free_name(pair.there)
        await self._folder.rename(pair.name, name)
        return name

    async def _fetch(self, pair: Pair, fetched: Fetched) -> None:
        await self._folder.write(pair.name, fetched.data, instead_of=pair.here)
        await self._know(pair, fetched, here=fetched.data)
        if pair.known is None:
            self.done.new += 1
        else:
            self.done.updated += 1
            self.done.conflicts += pair.here is None

    async def _send(self, pair: Pair, fetched: Fetched | None, *, is_new: bool) -> None:
        data = await self._folder.read(pair.name)
        self._folder.format.check(data)
        was = pair.known or MirrorItem(name=pair.name)
        item = replace(
            was,
            name=pair.name,
            remote_id=None if is_new else pair.id,
            asked=self._remote.listed_as(pair.name) if is_new else pair.asked,
            is_pending=True,
        )
        if item != was:
            await self._book.put(item, instead_of=was.name)
        if is_new:
            sent = await self._remote.create(pair.name, data)
            self.done.sent_new += 1
            self.done.conflicts += was.remote_id is not None
        else:
            version = fetched.version if fetched else was.version
            sent = await self._remote.replace(pair.id, data, version)
            self.done.sent += 1
        await self._know(replace(pair, known=item), sent, here=data)

    async def _compare(self, pair: Pair, fetched: Fetched) -> None:
        """Alike they are linked; otherwise theirs stays in place, and ours beside it."""
        data = await self._folder.read(pair.name)
        digest = self._digest(data)
        if digest == self._digest(fetched.data):
            await self._know(pair, fetched, here=data)
            self.done.unchanged += 1
            return
        copy = await self._copy(pair.name, data)
        await self._folder.write(pair.name, fetched.data, instead_of=digest)
        await self._know(pair, fetched, here=fetched.data)
        self.done.conflicts += 1
        logger.info("A thing was changed on both sides: both are kept.")
        if copy:
            await self.settle(copy)

    async def _copy(self, name: str, data: bytes) -> Pair | None:
        """Keep our version under a name that is the same if we die and come again."""
        stem, dot, suffix = name.rpartition(".")
        mark = sha256(data).hexdigest()[:_MARK]
        name = f"{stem} (conflict {mark}){dot}{suffix}"
        copied = self._folder.format.copied(data)
        if name in (await self._folder.scan()).files:
            return None
        await self._folder.write(name, copied, instead_of=None)
        return Pair(name=name, here=self._digest(copied))

    async def _remove_here(self, pair: Pair) -> None:
        await self._folder.remove(pair.name, pair.here or "")
        await self._forget(pair)
        self.done.deleted += 1

    async def _remove_there(self, pair: Pair, fetched: Fetched | None) -> None:
        assert pair.known
        version = fetched.version if fetched else pair.known.version
        with suppress(Gone):
            await self._remote.remove(pair.id, version)
        await self._forget(pair)
        self.done.sent_deleted += 1

    async def _forget(self, pair: Pair) -> None:
        if pair.known:
            await self._book.drop(pair.known.name)

    async def _know(self, pair: Pair, fetched: Fetched, *, here: bytes) -> None:
        item = MirrorItem(
            name=pair.name,
            remote_id=fetched.id,
            asked=pair.asked,
            version=fetched.version,
            here=self._digest(here),
            there=self._digest(fetched.data),
        )
        await self._book.put(item, instead_of=pair.known.name if pair.known else None)

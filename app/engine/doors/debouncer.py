"""Several calls under one key that become one run: the last one's arguments, once it is quiet."""

from typing import Any

from app.engine.doors.sealer import Sealer
from app.engine.doors.sender import Sender
from app.engine.job import Call
from app.engine.run import Receipt
from app.engine.signature import Packed


class Debouncer:
    """Moves runs for one client."""

    def __init__(self, sealer: Sealer, sender: Sender) -> None:
        """Both are the client's own."""
        self._sealer = sealer
        self._sender = sender

    async def move(self, call: Call[Any], packed: Packed, found: Receipt) -> Receipt:
        """Have the run that was `found` waiting take this call's place; if it is late, a new one.

        A payload names its run, so it is sealed once more for the id that was found. Meanwhile
        that run may have started: then the call is a new run, unless yet another is waiting.
        """
        while not found.is_new and not await self._moved(call, packed, found):
            found = (await self._sender.send([self._sealer.seal(call, packed)]))[0]
        return found

    async def _moved(self, call: Call[Any], packed: Packed, found: Receipt) -> bool:
        return await self._sender.postpone(self._sealer.seal(call, packed, id=found.id))

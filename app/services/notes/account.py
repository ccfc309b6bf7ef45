"""An account with notes, as the other side of a mirror that can be tried before it is used."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from app.services.mirror import Remote


class Account(Remote, Protocol):
    """Holds notes."""

    async def open(self) -> str:
        """Find them, which costs nothing; returns what they are called. Raises `RemoteError`."""
        ...


OpenRemote = Callable[[], AbstractAsyncContextManager[Account]]

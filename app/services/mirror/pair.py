"""A thing as far as it is known on either side, while a sync is at it."""

from dataclasses import dataclass

from app.services.mirror.item import Fetched, There
from app.services.mirror.plan import Side
from app.services.mirror.remote import Format
from app.storage.mirror import MirrorItem


@dataclass(slots=True, kw_only=True)
class Pair:
    """A file, a thing there, or both."""

    name: str
    """Its file here, or the one it will have."""
    known: MirrorItem | None = None
    here: str | None = None
    """The digest of the file; None if there is none."""
    there: There | None = None
    """What the listing says of it; None if it was not listed."""
    is_gone: bool = False
    """Whether it was removed there."""

    @property
    def needs_look(self) -> bool:
        """Whether its content there has to be seen before anything is decided."""
        if self.there is None:
            return False
        if self.known is None:
            return True
        if self.known.is_pending and self.there.is_ours and self.here is not None:
            return False  # what we were about to send when we died
        return self.there.version in ("",) or self.there.version != self.known.version

    @property
    def here_side(self) -> Side:
        """What became of it here."""
        if self.here is None:
            return Side.ABSENT
        if self.known is None or self.known.is_pending or self.here != self.known.here:
            return Side.CHANGED
        return Side.AS_KNOWN

    def there_side(self, fetched: Fetched | None, format: Format) -> Side:
        """What became of it there."""
        if fetched is None:
            return Side.ABSENT if self.is_gone or self.known is None else Side.AS_KNOWN
        is_known = self.known is not None and format.digest(fetched.data) == self.known.there
        return Side.AS_KNOWN if is_known else Side.CHANGED

    @property
    def asked(self) -> str:
        """The name it has there."""
        if self.there:
            return self.there.name
        return self.known.asked if self.known else self.name

    @property
    def id(self) -> str:
        """Its id there; empty when it has none yet."""
        if self.there:
            return self.there.id
        return (self.known and self.known.remote_id) or ""

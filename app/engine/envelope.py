"""What is written of a run: the payload it waits with, and the result it leaves.

Whoever seals them decides how arguments and results are written. To all others a `Raw` is closed.
"""

from typing import Protocol

import msgspec

from app.engine.clock import Moment
from app.engine.signature import NO_KEYWORDS

NOT_KEPT = "ResultNotKept"
"""The class of the note that stands for a result which could not be kept."""


class Payload(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """A queued run: arq's `f a et k`, then what arq has no words for. An array on the wire."""

    f: str
    a: msgspec.Raw
    et: Moment
    """When it was enqueued, in ms."""
    id: str = ""
    q: str = ""
    k: msgspec.Raw = NO_KEYWORDS
    v: int = 1
    """The job's payload version."""
    sf: Moment = 0
    """The moment it is scheduled for, in ms; 0: when it was enqueued."""
    p: str = ""
    """The run that enqueued it, or that it replays."""
    u: str = ""
    """Whose run it is."""
    tp: str = ""
    """W3C traceparent."""
    uk: str = ""
    """The key it holds."""
    t: int | None = None
    """arq: the try to start from; only a plain arq client's may say, and a plain worker heed it."""
    o: str = ""
    """The origin of the dead letter it replays."""
    x: Moment = 0
    """The moment by which it must have begun, in ms; 0: it may wait."""


class Kept(msgspec.Struct, kw_only=True, gc=False):
    """A result, in arq's own keys, so that a plain arq client can read it."""

    t: int
    f: str
    a: msgspec.Raw
    k: msgspec.Raw
    et: int
    s: bool
    r: msgspec.Raw
    st: int
    ft: int
    q: str
    id: str


class Envelope(Protocol):
    """Seals payloads and results, and opens them: our codec, or an arq project's serializer."""

    def seal_payload(self, payload: Payload, /) -> bytes:
        """Raises `TooLarge` before anything goes to the network."""
        ...

    def open_payload(self, sealed: bytes, /) -> Payload:
        """Raises `BadPayload` for what isn't one."""
        ...

    def pack_result(self, value: object, /) -> msgspec.Raw:
        """What a job returned or raised, or a note in its place; never raises."""
        ...

    def seal_result(self, kept: Kept, /) -> bytes:
        """Seal what a run left behind."""
        ...

    def open_result(self, sealed: bytes, /) -> Kept:
        """Raises `BadPayload` for what isn't one."""
        ...

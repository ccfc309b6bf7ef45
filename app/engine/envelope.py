"""What is written of a run: the payload it waits with, and the result it leaves."""

import msgspec

from app.engine.clock import Moment


class Payload(msgspec.Struct, omit_defaults=True, gc=False):
    """A queued run: arq's keys (`t f a k et`), then those that arq ignores."""

    t: int | None
    """arq: the try to start from; we leave it empty."""
    f: str
    a: msgspec.Raw
    k: msgspec.Raw
    et: Moment
    """When it was enqueued, in ms."""
    v: int = 1
    """The job's payload version."""
    id: str = ""
    q: str = ""
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

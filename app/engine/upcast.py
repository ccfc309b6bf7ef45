"""Lifting the arguments of an older release to those a job takes today.

    def split_name(version: int, old: Arguments) -> Arguments:
        (name,) = old.args
        first, _, last = name.partition(" ")
        return Arguments(first, last)

    @job(version=2, upcast=split_name)
    async def greet(ctx: Context, first: str, last: str) -> None: ...

What an upcast gets are plain values, as they travelled; what it returns is checked against the
job's signature as if it were enqueued now. The payload itself stays as it is: a run that can't be
lifted is a dead letter that still holds what was asked for, to be retried by a better upcast.
"""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from app.engine import wire
from app.engine.errors import BadArguments
from app.engine.signature import Signature


class Arguments:
    """What a job is called with, beside its context."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Written as in the call."""
        self.args = args
        self.kwargs = kwargs

    def __repr__(self) -> str:
        return f"Arguments(*{self.args!r}, **{self.kwargs!r})"


Upcast = Callable[[int, Arguments], Arguments]
"""Given the older version and its plain arguments, returns those of the job's own version."""

Typed = tuple[tuple[Any, ...], dict[str, Any]]


def lift(
    signature: Signature, upcast: Upcast, version: int, args: msgspec.Raw, kwargs: msgspec.Raw
) -> Typed:
    """The typed arguments; raises `BadArguments` whatever the upcast does."""
    try:
        old = Arguments(*wire.unpack(args), **wire.unpack(kwargs))
        new = cast("object", upcast(version, old))
    except BaseException as error:  # nothing is awaited here, so nobody's cancellation gets lost
        raise BadArguments(f"{_failed(signature, version)}: {wire.message_of(error)}") from error
    if not isinstance(new, Arguments):
        raise BadArguments(f"{_failed(signature, version)}: it returned {type(new).__name__}")
    packed = signature.pack(new.args, new.kwargs)
    return signature.unpack(packed.args, packed.kwargs)


def _failed(signature: Signature, version: int) -> str:
    return f"{signature.name}: the upcast from version {version} failed"

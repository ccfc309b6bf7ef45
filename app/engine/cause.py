"""What a run died of, as far as others may have died of the same: by it, dead letters form groups.

Two deaths have one cause when the same job raised an error of the same class at the same place: the
function that raised it, and not the line, which the next release moves. An error that was raised
nowhere, such as a payload that can't be read, is told by its message without what is particular:
its numbers, ids and quoted parts.
"""

import re
from hashlib import blake2b
from pathlib import PurePath
from types import TracebackType

import msgspec

from app.engine import wire

_LONGEST = 200  # characters of a place
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\w*\d\w*|(?<=\brun )\S+")


class Cause(msgspec.Struct, frozen=True, array_like=True):
    """One cause of death, the same for every run that died of it."""

    job: str
    kind: str
    """The error's class, by its full name."""
    place: str
    """Where it was raised, or what it said in general."""

    @property
    def id(self) -> str:
        """A short name for it, to be typed."""
        told = "\0".join((self.job, self.kind, self.place)).encode(errors="replace")
        return blake2b(told, digest_size=5).hexdigest()


_CAUSE = msgspec.msgpack.Decoder(Cause)
_UNKNOWN = Cause("?", "?", "?")


def cause_of(job: str, error: BaseException) -> Cause:
    """What a run of this job died of, if it was this error."""
    place = _place(error.__traceback__) or _in_general(wire.message_of(error))
    return Cause(job, wire.kind_of(error), wire.printable(place[:_LONGEST]))


def unpack_cause(data: bytes) -> Cause:
    """An unknown one, for what isn't one."""
    try:
        return _CAUSE.decode(data)
    except wire.UNREADABLE:
        return _UNKNOWN


def _place(frames: TracebackType | None) -> str:
    """The innermost frame, by its file and function."""
    if frames is None:
        return ""
    while frames.tb_next is not None:
        frames = frames.tb_next
    code = frames.tb_frame.f_code
    return f"{'/'.join(PurePath(code.co_filename).parts[-2:])} in {code.co_name}"


def _in_general(message: str) -> str:
    return _PARTICULAR.sub("*", message.partition("\n")[0])

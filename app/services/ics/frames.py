"""What the reader and its child say to each other: msgpack, each message behind its length."""

from typing import BinaryIO

import msgspec

from app.services.ics.event import BadEvent, Event, Limits, View

HEAD = 4  # bytes of length in front of each frame
LONGEST = 16 * 1024**2  # an event with a thousand long-titled occurrences is far below


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is to do, sent once."""

    view: View
    limits: Limits
    files: list[bytes]


class Found(msgspec.Struct, frozen=True, tag=True):
    """An event was understood."""

    event: Event


class Refused(msgspec.Struct, frozen=True, tag=True):
    """An event was not."""

    bad: BadEvent


class Done(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A file has been read to its end; the next one follows."""

    problems: list[str]
    conflicts: int = 0


Frame = Found | Refused | Done
_FRAMES: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)
_ORDER = msgspec.msgpack.Decoder(Order)


def packed(message: Order | Frame) -> bytes:
    """The message behind its length."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(HEAD) + body


def read_order(stream: BinaryIO) -> Order:
    """The order, from the pipe that stays open behind it."""
    return _ORDER.decode(stream.read(int.from_bytes(stream.read(HEAD))))


class Frames:
    """Cuts what arrives in pieces into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that are complete now; raises `ValueError` for what can't be one."""
        self._buffer += piece
        complete: list[Frame] = []
        while len(self._buffer) >= HEAD:
            end = HEAD + int.from_bytes(self._buffer[:HEAD])
            if end > LONGEST:
                raise ValueError(f"a frame of {end} bytes")
            if len(self._buffer) < end:
                break
            complete.append(_FRAMES.decode(self._buffer[HEAD:end]))
            del self._buffer[:end]
        return complete

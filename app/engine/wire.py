"""Values on the wire: msgpack, typed on the way back, no code in data.

Dates, timedeltas, UUIDs, Decimals, dataclasses and tuples come back as what the annotation says.
An exception travels as its class's name and its message; on arrival only builtin exceptions,
cancellation and the engine's own are built again, any other is a `RemoteError` with that name.
"""

import asyncio
import builtins
from typing import Any, TypeVar

import msgspec
from msgspec.msgpack import Decoder, Encoder, Ext

from app.engine import errors

T = TypeVar("T")

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that anybody may have written, such as too many levels."""

_EXCEPTION = 1  # the extension type under which exceptions travel
_LONGEST_MESSAGE = 2_000  # characters of an exception's message; a traceback has its own field


def _known_exceptions() -> dict[str, type[BaseException]]:
    found = [*vars(builtins).values(), *vars(errors).values(), asyncio.CancelledError]
    return {
        f"{kind.__module__}.{kind.__qualname__}": kind
        for kind in found
        if isinstance(kind, type) and issubclass(kind, BaseException)
    }


_KNOWN = _known_exceptions()
_MESSAGE_ONLY = Decoder(tuple[str, str])


def message_of(error: BaseException) -> str:
    """What the exception says, cut to a sane length; never raises, whatever its `__str__` does."""
    try:
        return printable(str(error)[:_LONGEST_MESSAGE])
    except Exception:  # one that can't print itself is still an exception
        return f"<unprintable {type(error).__name__}>"


def printable(text: str) -> str:
    """`text` with half characters escaped: names of files hold them, and UTF-8 has none."""
    return text.encode("utf-8", "backslashreplace").decode()


def kind_of(error: BaseException) -> str:
    """The full name of the exception's class; a `RemoteError` keeps the name it came with."""
    if isinstance(error, errors.RemoteError):
        return error.kind
    return printable(f"{type(error).__module__}.{type(error).__qualname__}")


def _encode_other(value: object) -> Ext:
    if isinstance(value, BaseException):
        said = value.message if isinstance(value, errors.RemoteError) else message_of(value)
        return Ext(_EXCEPTION, _ENCODER.encode((kind_of(value), said)))
    raise NotImplementedError(f"{type(value).__qualname__} can't travel")


def _decode_extension(code: int, data: memoryview) -> BaseException:
    if code != _EXCEPTION:
        raise msgspec.ValidationError(f"unknown extension type {code}")
    kind, message = _MESSAGE_ONLY.decode(data)
    return rebuild(kind, message)


def rebuild(kind: str, message: str) -> BaseException:
    """The exception of this class with this message; a `RemoteError` for a class unknown here."""
    known = _KNOWN.get(kind)
    if known is None:
        return errors.RemoteError(kind, message)
    try:
        return known(message)
    except TypeError:  # a class that wants more than a message, such as UnicodeDecodeError
        return errors.RemoteError(kind, message)


def _decode_other(kind: type[Any], value: object) -> object:
    if isinstance(value, kind):
        return value
    raise msgspec.ValidationError(f"Expected `{kind.__name__}`")


_ENCODER = Encoder(enc_hook=_encode_other)


def pack(value: object) -> bytes:
    """`value` as msgpack; raises `TypeError` for what can't travel, cyclic values included."""
    try:
        return _ENCODER.encode(value)
    except (NotImplementedError, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise TypeError(str(error) or "nested too deeply") from error


def decoder(kind: Any) -> "Decoder[Any]":
    """A decoder of values annotated `kind`; it raises `msgspec.ValidationError` on a misfit."""
    return Decoder(kind, dec_hook=_decode_other, ext_hook=_decode_extension)


_UNTYPED = decoder(Any)


def unpack(data: bytes | memoryview) -> Any:
    """Whatever msgpack holds, as plain values: for looking at, not for calling with."""
    return _UNTYPED.decode(data)


def can_travel(kind: Any) -> bool:
    """Whether values annotated `kind` come back as they left."""
    try:
        decoder(kind)
        return all(map(_is_travelling, _inside(msgspec.inspect.type_info(kind))))
    except (TypeError, NameError):
        return False


def _is_travelling(node: object) -> bool:
    if isinstance(node, msgspec.inspect.CustomType):
        return node.cls in _KNOWN.values()
    return True


def _inside(node: object) -> list[object]:
    """The type node and every node below it; a class that contains itself is entered once."""
    found: list[object] = []
    waiting, seen = [node], set[type]()
    while waiting:
        current = waiting.pop()
        found.append(current)
        owner: object = getattr(current, "cls", None)
        if isinstance(owner, type):
            if owner in seen:
                continue
            seen.add(owner)
        waiting.extend(_children(current))
    return found


def _children(node: object) -> list[object]:
    if isinstance(node, msgspec.inspect.Field):
        return [node.type]
    children: list[object] = []
    for name in getattr(node, "__struct_fields__", ()):
        part: Any = getattr(node, name)
        children += part if isinstance(part, tuple) else (part,)
    return [each for each in children if isinstance(each, _NODES)]


_NODES = (msgspec.inspect.Type, msgspec.inspect.Field)


def mentions(kind: Any, *wanted: type[msgspec.inspect.Type]) -> bool:
    """Whether one of these kinds of node occurs anywhere in the annotation."""
    return any(isinstance(node, wanted) for node in _inside(msgspec.inspect.type_info(kind)))

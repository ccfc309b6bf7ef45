"""What a function returns, on the wire and back: typed by its annotation, and not too large."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_type_hints

from app.engine import wire
from app.engine.errors import BadPayload, DeclarationError, TooLarge

if TYPE_CHECKING:
    from msgspec.msgpack import Decoder

T = TypeVar("T")

LARGEST = 1024 * 1024  # bytes; more belongs in a file, with a reference to it


@dataclass(frozen=True, slots=True)
class Returned(Generic[T]):
    """The result of one function."""

    name: str
    decoder: "Decoder[T]"

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Returned[Any]":
        """By its annotation; plain values when it has none.

        Raises `DeclarationError` for one that can't travel, before the function is called.
        """
        while isinstance(function, partial):
            function = function.func
        return _read(getattr(function, "__func__", function))

    def pack(self, value: T) -> bytes:
        """Raises `TooLarge`, and `TypeError` for what can't travel."""
        packed = wire.pack(value)
        if len(packed) > LARGEST:
            raise TooLarge(f"{self.name} returned {len(packed)} bytes; {LARGEST} can be kept")
        return packed

    def unpack(self, packed: bytes) -> T:
        """Raises `BadPayload` when other code has kept it, and its type was another."""
        try:
            return self.decoder.decode(packed)
        except Exception as error:  # a dataclass that checks itself may raise anything
            said = wire.message_of(error)
            raise BadPayload(f"what {self.name} returned before does not fit it: {said}") from error


@lru_cache(maxsize=1024)
def _read(function: Any) -> Returned[Any]:
    name = getattr(function, "__qualname__", type(function).__name__)
    is_plain = inspect.isroutine(function)
    try:
        hints = get_type_hints(function if is_plain else type(function).__call__)
    except Exception as error:
        raise DeclarationError(f"{name}: an annotation can't be resolved: {error}") from error
    kind = hints.get("return", Any)
    if not wire.can_travel(kind):
        raise DeclarationError(f"{name}: its result is a {kind!r}, which can't travel")
    return Returned(name, wire.decoder(kind))

"""What a job may be called with, checked when it is enqueued and again when it runs.

The arguments travel as arq's `a` (positional, in order) and `k` (by keyword). Both are decoded by
the function's annotations, and that decoding is the validation: a wrong argument is refused at
the call, before anything is written.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, get_type_hints

import msgspec
from msgspec.msgpack import Decoder

from app.engine import wire
from app.engine.errors import BadArguments, DeclarationError
from app.engine.naive_times import may_hold_times, refuse_naive_times

NO_KEYWORDS = msgspec.Raw(b"\x80")  # an empty msgpack map
_SHORT_ARRAY = 0x90  # msgpack: 0x9N is an array of N items
_SHORT_MAP, _MAP = 0x80, 0xDE  # 0x8N is a map of N items; 0xde is followed by how many in two bytes
_RAW_KEYWORDS = Decoder(dict[str, msgspec.Raw])


class Packed(msgspec.Struct, frozen=True, gc=False):
    """Arguments on the wire: a msgpack array and a msgpack map."""

    args: msgspec.Raw
    kwargs: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Signature:
    """A job's parameters without its context, and its result."""

    name: str
    parameters: inspect.Signature
    types: Mapping[str, Any]
    result: Decoder[Any]
    _all: Decoder[Any]
    """Of every positional argument there is, and of no other number."""
    _positional: tuple[Decoder[Any], ...]
    _keywords: Mapping[str, Decoder[Any]]
    _other_keywords: Decoder[Any]
    _has_times: bool
    _enough: int
    """How many positional arguments leave no other missing."""

    @classmethod
    def of(cls, function: Callable[..., Any], *, name: str) -> "Signature":
        """Read it off `function`; raises `DeclarationError` naming what can't work."""
        if not inspect.iscoroutinefunction(function):
            raise DeclarationError(f"{name} must be an async function")
        try:
            hints = get_type_hints(function, include_extras=True)
        except Exception as error:
            raise DeclarationError(f"{name}: an annotation can't be resolved: {error}") from error
        parameters = _without_context(inspect.signature(function), name)
        types = {each: hints.get(each, Any) for each in parameters.parameters}
        _refuse_untravelling({**types, "return": hints.get("return", Any)}, name)
        positional = _positional_decoders(parameters, types)
        return cls(
            name=name,
            parameters=parameters,
            types=types,
            result=wire.decoder(hints.get("return", Any)),
            _all=positional[len(_by_position(parameters))],
            _positional=positional,
            _keywords={each: wire.decoder(types[each]) for each in _named(parameters)},
            _other_keywords=_other_keywords(parameters, types),
            _has_times=any(map(may_hold_times, types.values())),
            _enough=_enough(parameters),
        )

    def pack(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Packed:
        """Check the arguments and encode them; raises `BadArguments` naming the misfit."""
        misfit = self.missing(args, kwargs)
        if misfit is not None:
            raise BadArguments(misfit)
        try:
            named = msgspec.Raw(wire.pack(kwargs)) if kwargs else NO_KEYWORDS
            packed = Packed(msgspec.Raw(wire.pack(args)), named)
        except TypeError as error:
            raise BadArguments(f"{self.name}: {error}") from error
        if self._has_times:  # those in a value annotated Any are times only on this side
            refuse_naive_times((args, kwargs), self.name)
        self.unpack(packed.args, packed.kwargs)
        return packed

    def unpack(
        self, args: msgspec.Raw, kwargs: msgspec.Raw
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The typed arguments; raises `BadArguments` naming the misfit."""
        try:
            positional: tuple[Any, ...] = self._all.decode(args)
        except Exception:  # there are fewer or more, or one says what is wrong
            positional = self._unpack_positional(args)
        named = {} if kwargs == NO_KEYWORDS else self._unpack_keywords(kwargs)
        if self._has_times:
            refuse_naive_times((positional, named), self.name)
        return positional, named

    def complete(
        self, args: msgspec.Raw, kwargs: msgspec.Raw
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same, of a whole call; raises `BadArguments`, too, for what it lacks."""
        positional, named = self.unpack(args, kwargs)
        if named or len(positional) < self._enough:
            misfit = self.missing(positional, named)
            if misfit is not None:
                raise BadArguments(misfit)
        return positional, named

    def _unpack_positional(self, args: msgspec.Raw) -> tuple[Any, ...]:
        try:
            decoded: tuple[Any, ...] = self._positional[_length(args)].decode(args)
        except IndexError:
            raise BadArguments(f"{self.name}: too many arguments") from None
        except Exception as error:  # a dataclass that checks itself may raise anything
            raise BadArguments(f"{self.name}: {self._readable(error)}") from error
        return decoded

    def _unpack_keywords(self, kwargs: msgspec.Raw) -> dict[str, Any]:
        each, named = "", dict[str, Any]()
        try:
            for each, value in _RAW_KEYWORDS.decode(kwargs).items():
                named[each] = self._keywords.get(each, self._other_keywords).decode(value)
        except Exception as error:  # as above
            raise BadArguments(f"{self.name}: {_said(error)} - at `{each}`") from error
        if len(named) != _size(kwargs):
            raise BadArguments(f"{self.name}: an argument is named twice")
        return named

    def missing(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """What these arguments lack, in one line; None when the call can be made."""
        if len(args) >= self._enough and not kwargs:
            return None  # the decoders have seen to it that there are not too many
        try:
            self.parameters.bind(*args, **kwargs)
        except TypeError as error:
            return f"{self.name}: {error}"
        return None

    def _readable(self, error: Exception) -> str:
        """The codec's message, with `$[1]` written as the parameter's name."""
        text = _said(error)
        for position, each in enumerate(self.parameters.parameters):
            text = text.replace(f"$[{position}]", each)
        return text


def _said(error: Exception) -> str:
    said = wire.message_of(error)
    return said if isinstance(error, msgspec.MsgspecError) else f"{type(error).__name__}: {said}"


def _length(array: msgspec.Raw) -> int:
    """How many items a short msgpack array has; 15 is more than a job takes by position."""
    head = memoryview(array)[0]
    if head & 0xF0 != _SHORT_ARRAY:
        raise IndexError
    return head & 0x0F


def _size(named: msgspec.Raw) -> int:
    """How many items a msgpack map says it has: of those with one name only the last is read."""
    head = bytes(memoryview(named)[:3])
    if head[0] & 0xF0 == _SHORT_MAP:
        return head[0] & 0x0F
    return int.from_bytes(head[1:], "big") if head[0] == _MAP else -1


def _without_context(whole: inspect.Signature, name: str) -> inspect.Signature:
    parameters = list(whole.parameters.values())
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    if not parameters or parameters[0].kind not in positional:
        raise DeclarationError(f"{name} must take the context as its first argument")
    return whole.replace(parameters=parameters[1:])


def _enough(parameters: inspect.Signature) -> int:
    required = [each for each in parameters.parameters.values() if each.default is each.empty]
    if any(each.kind is each.KEYWORD_ONLY for each in required):
        return sys.maxsize
    return sum(each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in required)


def _refuse_untravelling(types: Mapping[str, Any], name: str) -> None:
    for each, kind in types.items():
        if not wire.can_travel(kind):
            where = "its result" if each == "return" else f"argument `{each}`"
            raise DeclarationError(f"{name}: {where} is a {kind!r}, which can't travel")


def _positional_decoders(
    parameters: inspect.Signature, types: Mapping[str, Any]
) -> tuple[Decoder[Any], ...]:
    """One decoder for each number of positional arguments the job takes."""
    by_position = [types[each] for each in _by_position(parameters)]
    rest = [e.name for e in parameters.parameters.values() if e.kind is e.VAR_POSITIONAL]
    if rest:
        by_position += [types[rest[0]]] * (15 - len(by_position))
    counts = range(len(by_position) + 1)
    return tuple(wire.decoder(GenericAlias(tuple, tuple(by_position[:n]))) for n in counts)


def _by_position(parameters: inspect.Signature) -> list[str]:
    """The parameters that can be given by position, each of its own."""
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return [each.name for each in parameters.parameters.values() if each.kind in kinds]


def _named(parameters: inspect.Signature) -> list[str]:
    """The parameters that can be given by name."""
    by_name = {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return [each.name for each in parameters.parameters.values() if each.kind in by_name]


def _other_keywords(parameters: inspect.Signature, types: Mapping[str, Any]) -> Decoder[Any]:
    """What reads an argument that only `**rest` takes; without one, binding refuses it."""
    rest = [e.name for e in parameters.parameters.values() if e.kind is e.VAR_KEYWORD]
    return wire.decoder(types[rest[0]] if rest else Any)

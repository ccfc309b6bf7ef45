"""What a job may be called with, checked when it is enqueued and again when it runs.

The arguments travel as arq's `a` (positional, in order) and `k` (by keyword). Both are decoded by
the function's annotations, and that decoding is the validation: a wrong argument is refused at
the call, before anything is written.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import GenericAlias
from typing import Any, NamedTuple, cast, get_type_hints

import msgspec
from msgspec.msgpack import Decoder

from app.engine import wire
from app.engine.errors import BadArguments, DeclarationError

_NO_KEYWORDS = b"\x80"  # an empty msgpack map
_SHORT_ARRAY = 0x90  # msgpack: 0x9N is an array of N items


class Packed(NamedTuple):
    """Arguments on the wire: a msgpack array and a msgpack map."""

    args: bytes
    kwargs: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """A job's parameters without its context, and its result."""

    name: str
    parameters: inspect.Signature
    types: Mapping[str, Any]
    result: Decoder[Any]
    _positional: tuple[Decoder[Any], ...]
    _keywords: Decoder[Any]
    _has_times: bool

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
        return cls(
            name=name,
            parameters=parameters,
            types=types,
            result=wire.decoder(hints.get("return", Any)),
            _positional=_positional_decoders(parameters, types),
            _keywords=wire.decoder(_keyword_struct(parameters, types, name)),
            _has_times=any(map(_may_hold_times, types.values())),
        )

    def pack(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Packed:
        """Check the arguments and encode them; raises `BadArguments` naming the misfit."""
        try:
            self.parameters.bind(*args, **kwargs)
        except TypeError as error:
            raise BadArguments(f"{self.name}: {error}") from None
        if self._has_times:
            _refuse_naive_times((*args, *kwargs.values()), self.name)
        try:
            packed = Packed(wire.pack(args), wire.pack(kwargs) if kwargs else _NO_KEYWORDS)
        except TypeError as error:
            raise BadArguments(f"{self.name}: {error}") from error
        self.unpack(packed.args, packed.kwargs)
        return packed

    def unpack(self, args: bytes | msgspec.Raw, kwargs: bytes | msgspec.Raw) -> tuple[Any, Any]:
        """The typed arguments; raises `BadArguments` naming the misfit."""
        try:
            positional = self._positional[_length(args)].decode(args)
        except IndexError:
            raise BadArguments(f"{self.name}: too many arguments") from None
        except msgspec.MsgspecError as error:
            raise BadArguments(f"{self.name}: {self._readable(error)}") from error
        if bytes(kwargs) == _NO_KEYWORDS:
            return positional, {}
        return positional, self._unpack_keywords(kwargs)

    def _unpack_keywords(self, kwargs: bytes | msgspec.Raw) -> dict[str, Any]:
        try:
            decoded = self._keywords.decode(kwargs)
        except msgspec.MsgspecError as error:
            raise BadArguments(f"{self.name}: {str(error).replace('$.', '')}") from error
        if isinstance(decoded, dict):
            return cast("dict[str, Any]", decoded)
        named = ((each, getattr(decoded, each)) for each in decoded.__struct_fields__)
        return {each: value for each, value in named if value is not msgspec.UNSET}

    def missing(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """What these arguments lack, in one line; None when the call can be made."""
        try:
            self.parameters.bind(*args, **kwargs)
        except TypeError as error:
            return f"{self.name}: {error}"
        return None

    def _readable(self, error: msgspec.MsgspecError) -> str:
        """The codec's message, with `$[1]` written as the parameter's name."""
        text = str(error)
        for position, each in enumerate(self.parameters.parameters):
            text = text.replace(f"$[{position}]", each)
        return text


def _length(array: bytes | msgspec.Raw) -> int:
    """How many items a short msgpack array has; 15 is more than a job takes by position."""
    head = memoryview(array)[0]
    if head & 0xF0 != _SHORT_ARRAY:
        raise IndexError
    return head & 0x0F


def _without_context(whole: inspect.Signature, name: str) -> inspect.Signature:
    parameters = list(whole.parameters.values())
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    if not parameters or parameters[0].kind not in positional:
        raise DeclarationError(f"{name} must take the context as its first argument")
    return whole.replace(parameters=parameters[1:])


def _refuse_untravelling(types: Mapping[str, Any], name: str) -> None:
    for each, kind in types.items():
        if not wire.can_travel(kind):
            where = "its result" if each == "return" else f"argument `{each}`"
            raise DeclarationError(f"{name}: {where} is a {kind!r}, which can't travel")


def _positional_decoders(
    parameters: inspect.Signature, types: Mapping[str, Any]
) -> tuple[Decoder[Any], ...]:
    """One decoder for each number of positional arguments the job takes."""
    by_position = [
        types[each.name]
        for each in parameters.parameters.values()
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    rest = [e.name for e in parameters.parameters.values() if e.kind is e.VAR_POSITIONAL]
    if rest:
        by_position += [types[rest[0]]] * (15 - len(by_position))
    counts = range(len(by_position) + 1)
    return tuple(wire.decoder(GenericAlias(tuple, tuple(by_position[:n]))) for n in counts)


def _keyword_struct(parameters: inspect.Signature, types: Mapping[str, Any], name: str) -> Any:
    named = [
        each
        for each in parameters.parameters.values()
        if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    rest = [e.name for e in parameters.parameters.values() if e.kind is e.VAR_KEYWORD]
    if rest:
        return dict[str, Any] if named else GenericAlias(dict, (str, types[rest[0]]))
    return msgspec.defstruct(
        f"{name}.arguments",
        [(each.name, types[each.name] | msgspec.UnsetType, msgspec.UNSET) for each in named],
        forbid_unknown_fields=True,
    )


def _may_hold_times(kind: Any) -> bool:
    return wire.mentions(kind, msgspec.inspect.DateTimeType, msgspec.inspect.AnyType)


def _refuse_naive_times(value: object, name: str) -> None:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise BadArguments(f"{name}: {value.isoformat()} has no time zone")
    for part in _parts(value):
        _refuse_naive_times(part, name)


def _parts(value: object) -> Iterable[object]:
    """What a value holds, one level down."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return (*pairs.keys(), *pairs.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return cast("Iterable[object]", value)
    if dataclasses.is_dataclass(value):
        return [getattr(value, each.name) for each in dataclasses.fields(value)]
    return ()

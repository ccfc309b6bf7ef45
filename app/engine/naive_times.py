"""Times without a zone: refused, as whoever reads them has another clock on the wall."""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from app.engine import wire
from app.engine.errors import BadArguments


def may_hold_times(kind: Any) -> bool:
    """Whether there may be a time in what is annotated so."""
    return wire.mentions(kind, msgspec.inspect.DateTimeType, msgspec.inspect.AnyType)


def refuse_naive_times(value: object, name: str) -> None:
    """Raise `BadArguments` if one is in the arguments of the job of this name."""
    waiting = [value]  # a list, not recursion: a value may be nested deeper than Python calls
    while waiting:
        current = waiting.pop()
        if isinstance(current, datetime) and current.utcoffset() is None:
            raise BadArguments(f"{name}: {current.isoformat()} has no time zone")
        waiting.extend(_parts(current))


def _parts(value: object) -> Iterable[object]:
    """What a value holds, one level down."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return (*pairs.keys(), *pairs.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return cast("Iterable[object]", value)
    if dataclasses.is_dataclass(value):
        return [getattr(value, each.name, None) for each in dataclasses.fields(value)]
    if isinstance(value, msgspec.Struct):
        return [getattr(value, each) for each in value.__struct_fields__]
    return ()

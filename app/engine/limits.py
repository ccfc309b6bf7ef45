"""Limits on a job's runs that hold over all workers: declared on the job, kept in Redis.

    @job(limits=(Rate(20, per=minutes(1), by="account"), AtOnce(2, by=lambda user_id: user_id)))
    @job(limits=(Breaker(name="openai", by="account"),))

`by` says what is limited: each value of an argument on its own, or what a function makes of some
arguments, which it takes by their names; without it all runs of the job together. A limit belongs
to its job. One with a `name` is shared by all jobs that have a limit of its kind and name.

A run for which there is no room waits, with no attempt charged, and who has waited longest is let
in first. That is admit.lua's part; here is what a job's arguments say it has to ask for.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import msgspec

from app.engine import wire
from app.engine.clock import span_ms
from app.engine.errors import BadArguments, DeclarationError
from app.engine.signature import Signature

By = str | Callable[..., object] | None

_MOST = 100_000  # a rate remembers so many starts
_LONGEST = timedelta(days=366)
_LONGEST_NAME = 200  # characters; what is longer is known by its hash
_AT_ONCE = "at_once"
_PLAIN = (str, int)


@dataclass(frozen=True, slots=True)
class Rate:
    """No more than `count` runs start in any span of `per`."""

    count: int
    per: timedelta = field(kw_only=True)
    by: By = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class AtOnce:
    """No more than `count` runs are at work at once; a killed worker's places are free with it."""

    count: int
    by: By = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Nothing starts while a provider asks to wait, or does not answer.

    An error with `retry_after` opens it for that long, and costs the run no attempt. So do
    `failures` in a row of the kinds `on`, for `rest`. Then one run is let in, the probe: if it has
    an answer, whatever that is, the others follow; if not, all wait once more.
    """

    by: By = None
    name: str | None = None
    failures: int = 5
    rest: timedelta = timedelta(minutes=1)
    on: tuple[type[BaseException], ...] = (ConnectionError, TimeoutError)


Limit = Rate | AtOnce | Breaker


class Ask(msgspec.Struct, frozen=True, gc=False):
    """One limit as it holds for one run: `span_ms` is a rate's span, or a breaker's rest."""

    kind: str
    name: str
    count: int
    span_ms: int
    breaker: Breaker | None = None

    @property
    def is_place(self) -> bool:
        """Whether it counts the runs at work."""
        return self.kind == _AT_ONCE


class Bound(msgspec.Struct, frozen=True):
    """A limit on its job."""

    limit: Limit
    scope: str
    value_of: Callable[[Mapping[str, Any]], object] | None

    def ask(self, arguments: Mapping[str, Any]) -> Ask:
        """What a run with these arguments asks for."""
        name = self.scope
        if self.value_of is not None:
            name = _shortened(f"{name}:{_text(self.value_of(arguments))}")
        match self.limit:
            case Rate(count, per=per):
                return Ask("rate", f"rate/{span_ms(per)}:{name}", count, span_ms(per))
            case AtOnce(count):
                return Ask(_AT_ONCE, f"{_AT_ONCE}:{name}", count, 0)
            case Breaker() as breaker:
                rest = span_ms(breaker.rest)
                return Ask("breaker", f"breaker:{name}", breaker.failures, rest, breaker)


def bind(limits: Sequence[Limit], signature: Signature) -> tuple[Bound, ...]:
    """The limits on a job; raises `DeclarationError` naming what can't work."""
    bound = tuple(_bound(each, signature) for each in limits)
    if len({(type(each.limit), _span(each.limit), each.scope) for each in bound}) < len(bound):
        raise DeclarationError(f"{signature.name}: two limits are the same; give them names")
    return bound


def asks(
    bound: Sequence[Bound], signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Ask, ...]:
    """What a run asks for; raises `BadArguments` when a `by` makes nothing of its arguments."""
    try:
        given = signature.parameters.bind(*args, **kwargs)
        given.apply_defaults()
        return tuple(each.ask(given.arguments) for each in bound)
    except Exception as error:  # a `by` may be anybody's code
        said = f"{type(error).__name__}: {wire.message_of(error)}"
        raise BadArguments(f"{signature.name}: what its limits go by: {said}") from error


def _bound(limit: object, signature: Signature) -> Bound:
    if not isinstance(limit, Rate | AtOnce | Breaker):
        raise DeclarationError(f"{signature.name}: {limit!r} is no limit")
    count = limit.failures if isinstance(limit, Breaker) else limit.count
    if not (0 < count <= _MOST and timedelta(0) < _span(limit) <= _LONGEST):
        raise DeclarationError(f"{signature.name}: {limit} is out of all bounds")
    label = limit.by if isinstance(limit.by, str) else "by" if limit.by else "all"
    scope = limit.name or f"{signature.name}.{label}"
    return Bound(limit, scope, _value_of(limit.by, signature))


def _span(limit: Limit) -> timedelta:
    match limit:
        case Rate():
            return limit.per
        case Breaker():
            return limit.rest
        case AtOnce():
            return _LONGEST


def _value_of(by: By, signature: Signature) -> Callable[[Mapping[str, Any]], object] | None:
    if by is None:
        return None
    names = (by,) if isinstance(by, str) else tuple(inspect.signature(by).parameters)
    for each in names:
        known = signature.parameters.parameters.get(each)
        if known is None or known.kind in (known.VAR_POSITIONAL, known.VAR_KEYWORD):
            raise DeclarationError(f"{signature.name}: a limit goes by {each!r}: no such argument")
    if isinstance(by, str):
        return lambda arguments: arguments[by]
    return lambda arguments: by(*(arguments[each] for each in names))


def _text(value: object) -> str:
    """Equal for equal values, and no other; of what is not plain, a hash."""
    if isinstance(value, _PLAIN):
        return wire.printable(str(value))
    return blake2b(wire.pack(value), digest_size=16).hexdigest()


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    return blake2b(name.encode(), digest_size=16).hexdigest()

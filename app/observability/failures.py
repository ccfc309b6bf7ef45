"""Failures, written down as they happen: every attempt that failed, with its traceback.

The worker that ran the attempt writes it, half a second later and many at once, so no run waits for
it. A worker that is killed loses what it had not written yet; the history has the error of those
runs all the same, and a dead letter its traceback. So that a flood can't take all memory, no more
than a thousand wait; how many more there were is in the log.

What is kept says where the code was and what it said, and never what it was called with. Arguments
are kept by name and type. Text that was an argument is blanked wherever an error repeats it, and so
are secrets of the settings and whatever looks like one. Source lines stay: they are code.
"""

import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import anyio
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from app.engine import Over, RemoteError, ending_of
from app.observability.quoted import Quoted, texts_in
from app.observability.redaction import Redactor
from app.storage.failures import Failures, NewFailure

log = logging.getLogger(__name__)

_PAUSE = 0.5  # s between two writes
_MOST_WAITING = 1_000
_AT_ONCE = 100  # in one transaction
_LAST_WRITE = 3.0  # s for what failed last, when the worker ends
_LONGEST_MESSAGE, _LONGEST_TRACEBACK, _LONGEST_ARGUMENTS = 2_000, 16_000, 1_000  # characters
_LONGEST_SAID = 20_000  # characters that are looked through: more than is kept

Redact = Callable[[str], str]


class FailureKeeper:
    """Hears of outcomes, and keeps those that are failures."""

    def __init__(self, failures: Failures, *, secrets: Iterable[str] = ()) -> None:
        """`secrets` are those of the settings."""
        self._failures = failures
        self._secrets = tuple(secrets)
        self._waiting = deque[NewFailure]()
        self._left_out = 0

    def heard(self, over: Over) -> None:
        """Note it, if it failed."""
        error: BaseException | None = getattr(over.outcome, "error", None)
        if error is None:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._left_out += 1
        else:
            self._waiting.append(describe(over, error, secrets=self._secrets))

    async def run(self) -> None:
        """Write what failed until cancelled, the last of it too."""
        try:
            while True:
                await anyio.sleep(_PAUSE)
                await self.write()
        finally:
            with anyio.move_on_after(_LAST_WRITE, shield=True):
                await self.write()

    async def write(self) -> None:
        """Write what waits; what can't be written now waits on."""
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                with anyio.CancelScope(shield=True):  # a query cut off leaves a task behind
                    await self._failures.add(some)
            except SQLAlchemyError as error:
                self._waiting.extendleft(reversed(some))
                log.warning("failures can't be written yet: %s", type(error).__name__)
                return
        if self._left_out:
            log.warning("%d failures were too many to write down", self._left_out)
            self._left_out = 0


def describe(over: Over, error: BaseException, *, secrets: Iterable[str] = ()) -> NewFailure:
    """A failed attempt as it may be kept."""
    args, kwargs = _unpacked(over.known.a, []), _unpacked(over.known.k, {})
    quoted = Quoted([*secrets, *texts_in([args, [*kwargs.values()]])])
    patterns = Redactor()

    def redact(text: str) -> str:
        return patterns(quoted.blanked(text))

    return NewFailure(
        run_id=over.run.id,
        job=over.known.f[:200],
        queue=over.run.queue,
        ending=ending_of(over.outcome),
        attempt=over.run.attempt,
        failed_at=over.ended_at,
        worker=over.run.worker,
        kind=_kind(error),
        message=redact(_said(error))[:_LONGEST_MESSAGE],
        arguments=_shapes(args, kwargs)[:_LONGEST_ARGUMENTS],
        traceback=_traceback(error, redact)[-_LONGEST_TRACEBACK:],
    )


def _kind(error: BaseException) -> str:
    if isinstance(error, RemoteError):
        return error.kind
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _said(error: BaseException) -> str:
    try:
        return _printable(_head(str(error)))
    except Exception:  # one that can't print itself is still an exception
        return f"<unprintable {type(error).__name__}>"


def _head(text: str) -> str:
    """What an error says first, up to the end of a word: half a secret would not be known."""
    return text if len(text) <= _LONGEST_SAID else text[:_LONGEST_SAID].rsplit(maxsplit=1)[0]


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _traceback(error: BaseException, redact: Redact) -> str:
    """Where the code was, and what each error of the chain said, without its arguments."""
    try:
        told = traceback.TracebackException.from_exception(error)
        return "".join(_pages(told, redact))
    except Exception as unprintable:  # its __str__ or its cause's may raise anything
        return f"<no traceback: {type(unprintable).__name__}>"


def _pages(told: traceback.TracebackException, redact: Redact) -> Iterator[str]:
    """Like its own `format`, with what is code left as it is, and what is said blanked."""
    before = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    if before is not None:
        yield from _pages(before, redact)
        yield "\n... and so:\n\n"
    if told.stack:
        yield "Traceback (most recent call last):\n"
        yield from map(_printable, told.stack.format())
    yield from (redact(_printable(_head(line))) for line in told.format_exception_only())
    for each in told.exceptions or ():
        yield "\n... one of them:\n\n"
        yield from _pages(each, redact)


def _unpacked(packed: msgspec.Raw, nothing: Any) -> Any:
    try:
        return _ARGUMENTS.decode(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return nothing


_ARGUMENTS = msgspec.msgpack.Decoder(ext_hook=lambda _code, data: bytes(data))


def _shapes(args: Any, kwargs: Any) -> str:
    """`text of 12, 3, to=list of 2`: what says nothing about anybody is shown."""
    shown = [_shape(each) for each in args]
    shown += [f"{_printable(str(name))[:50]}={_shape(value)}" for name, value in kwargs.items()]
    return ", ".join(shown)


def _shape(value: object) -> str:
    match value:
        case None | bool() | int() | float():
            return str(value)[:30]
        case str():
            return f"text of {len(value)}"
        case bytes():
            return f"bytes, {len(value)}"
        case list():
            return f"list of {len(cast('list[object]', value))}"
        case dict():
            return f"dict of {len(cast('dict[object, object]', value))}"
        case _:
            return type(value).__name__

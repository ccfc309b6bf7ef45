"""How an arq project writes: arq's dictionaries in the project's serializer, or else as a pickle.

A pickle is code: whoever can write to Redis decides what this process does. So arq's default is
for those alone who have said that they trust that Redis.
"""

from collections.abc import Iterable
from typing import Any, cast

import msgspec
from arq.jobs import (
    DeserializationError,
    Deserializer,
    Serializer,
    deserialize_job_raw,
    serialize_job,
    serialize_result,
)
from arq.worker import JobExecutionFailed

from app.engine import wire
from app.engine.clock import Moment
from app.engine.envelope import Kept, Payload
from app.engine.errors import BadPayload, DeclarationError, JobTimeout, SelfCancelled, WorkerDied

_PICKLES = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal"}


class Untrusted(DeclarationError):
    """What lies in Redis would run as code here, and nobody has said that it may."""


def refuse_pickle(deserializer: Deserializer | None) -> None:
    """Raises `Untrusted` if this is arq's default, or pickle by another name."""
    module = getattr(deserializer, "__module__", None) or ""
    if deserializer is None or module.partition(".")[0] in _PICKLES:
        raise Untrusted("job_deserializer is pickle, and a pickle in Redis runs as code here")


class ArqEnvelope:
    """Reads and writes what an arq project's own clients write and read."""

    def __init__(
        self, serializer: Serializer | None, deserializer: Deserializer | None, *, queue_name: str
    ) -> None:
        """`queue_name` is what arq calls the queue in its results."""
        self._serializer = serializer
        self._deserializer = deserializer
        self._queue_name = queue_name

    def seal_payload(self, payload: Payload) -> bytes:
        """As arq's client would; raises arq's `SerializationError`."""
        (_, *args), kwargs = opened(payload.a, payload.k)
        return serialize_job(
            payload.f, tuple(args), kwargs, None, payload.et, serializer=self._serializer
        )

    def open_payload(self, sealed: bytes) -> Payload:
        """Raises `BadPayload` for what no client of arq has written with this serializer."""
        try:
            return _payload(*deserialize_job_raw(sealed, deserializer=self._deserializer))
        except (DeserializationError, msgspec.MsgspecError, TypeError, ValueError) as error:
            raise BadPayload(f"not readable: {wire.message_of(error)}") from error

    def pack_result(self, value: object) -> Any:
        """The value itself: the project's serializer takes all of the result at once."""
        return _as_arq_says(value) if isinstance(value, BaseException) else value

    def seal_result(self, kept: Kept) -> bytes:
        """As arq's worker would, with its note in place of what can't be serialized."""
        (first_try, *args), kwargs = opened(kept.a, kept.k)
        sealed = serialize_result(
            kept.f,
            tuple(args),
            kwargs,
            kept.t + first_try - 1,
            kept.et,
            kept.s,
            kept.r,
            kept.st,
            kept.ft,
            f"{kept.id}:{kept.f}",
            self._queue_name,
            kept.id,
            serializer=self._serializer,
        )
        return sealed or b""  # arq's clients take that for no result

    def open_result(self, sealed: bytes) -> Kept:
        """Raises `BadPayload`: who wants a result of the project asks arq's client."""
        raise BadPayload(f"a result of {len(sealed)} bytes in an arq project's own words")


def payload_of(
    name: str, args: Iterable[Any], kwargs: dict[str, Any], *, first_try: int, enqueued_ms: int
) -> Payload:
    """A run of the project; its arguments are plain values, and nobody else looks at them."""
    a: Any = (first_try, *args)
    k: Any = kwargs
    return Payload(t=None, f=name, a=a, k=k, et=enqueued_ms)


def opened(a: object, k: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The try to start from with the arguments that follow; none, if they could not be read."""
    if not isinstance(a, tuple):
        return (1,), {}
    return cast("Any", a), cast("Any", k)


def _payload(name: Any, args: Any, kwargs: Any, first_try: Any, enqueued_ms: Any) -> Payload:
    if not isinstance(name, str):
        raise TypeError("no job's name")
    tries = max(1, int(first_try or 1))
    moment: int = msgspec.convert(int(enqueued_ms), Moment)
    return payload_of(name, args, dict(kwargs), first_try=tries, enqueued_ms=moment)


def _as_arq_says(error: BaseException) -> BaseException:
    """The project's clients have none of our classes."""
    match error:
        case JobTimeout():
            return TimeoutError(str(error))
        case BadPayload() | SelfCancelled() | WorkerDied():
            return JobExecutionFailed(str(error))
        case _:
            return error

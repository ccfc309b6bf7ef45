"""The envelope around everything we leave in Redis: signed, perhaps compressed, never code.

    byte    0        1       2         3 .. 18    19 ..
            version  flags   key id    MAC        msgpack: a payload's fields, or arq's result

The MAC (keyed BLAKE2b, 16 bytes) covers all the other bytes. Redis is storage, not a friend: what
does not verify is `BadPayload`, whatever it says. Keys rotate: the first signs, all of them verify.
A payload also names its run and queue, and the worker compares them with where it found it, so it
can't be copied to another id; nor does it run again under its own, while what the run left is kept
(only who may write to Redis could remove that first). `dumps` and `loads` turn arq's dictionaries
into the same envelope and back, for plain arq clients and workers (`job_serializer`,
`job_deserializer`).
"""

import zlib
from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import Any

import msgspec
from msgspec import structs
from msgspec.msgpack import Decoder

from app.engine import wire
from app.engine.envelope import NOT_KEPT, Kept, Payload
from app.engine.errors import BadPayload, DeclarationError, RemoteError, TooLarge

_VERSION = 1
_MAC = 16  # bytes; forging one takes 2**128 tries
_HEAD = 3 + _MAC
_SHORTEST_KEY, _LONGEST_KEY = 16, 64  # bytes; BLAKE2b takes no more

_SMALLEST_LIMIT = 2048  # bytes; names, ids and a few arguments always fit
LARGEST_PAYLOAD = 256 * 1024  # bytes before compression; more belongs in a file, with a reference
LARGEST_RESULT = 4 * 1024 * 1024
_LARGEST_INFLATED = 64 * 1024 * 1024  # far beyond what we seal: a few bytes may stand for gigabytes
COMPRESS_OVER = 4 * 1024  # below this the time costs more than the memory saved

_JOB, _RESULT, _COMPRESSED = 0, 2, 1  # flags; plain ints, for they are tested a lot
_FLAGS = 4  # combinations of them

_NOTHING = msgspec.Raw(wire.pack(None))
_PAYLOAD = Decoder(Payload)
_KEPT = Decoder(Kept)


class Codec:
    """Seals and opens; one a process, shared by client and worker."""

    def __init__(self, keys: Sequence[bytes], *, largest: int = LARGEST_PAYLOAD) -> None:
        """`keys`: the one that signs, then older ones still accepted; each 16 bytes or more."""
        if not keys or any(len(key) < _SHORTEST_KEY for key in keys):
            raise DeclarationError(f"a signing key needs at least {_SHORTEST_KEY} bytes")
        if largest < _SMALLEST_LIMIT:
            raise DeclarationError(f"a payload may need {_SMALLEST_LIMIT} bytes; {largest} are few")
        known = [_Key(key[:_LONGEST_KEY]) for key in keys]
        self._signing = known[0]
        self._by_id: dict[int, list[_Key]] = {}
        for key in known:
            self._by_id.setdefault(key.id, []).append(key)
        self._largest = largest

    def seal_payload(self, payload: Payload) -> bytes:
        """Raises `TooLarge` before anything goes to the network."""
        body = wire.pack(payload)
        if len(body) > self._largest:
            raise TooLarge(f"{payload.f}: {len(body)} bytes of arguments, {self._largest} allowed")
        return self._seal(body, _JOB)

    def open_payload(self, sealed: bytes) -> Payload:
        """Raises `BadPayload` unless we sealed it as a job."""
        try:
            return _PAYLOAD.decode(self._open(sealed, _JOB))
        except wire.UNREADABLE as error:
            raise BadPayload(f"signed, but no job: {error}") from error

    def pack_result(self, value: object) -> msgspec.Raw:
        """The result on the wire, or a note in its place: the run is done, whatever it returned."""
        if value is None:
            return _NOTHING
        try:
            packed = wire.pack(value)
        except Exception as error:  # a result's own code may run while it is encoded
            return _note(wire.message_of(error))
        if len(packed) > LARGEST_RESULT:
            return _note(f"{len(packed)} bytes; {LARGEST_RESULT} are kept")
        return msgspec.Raw(packed)

    def seal_result(self, kept: Kept) -> bytes:
        """Seal what a run left behind."""
        return self._seal(wire.pack(kept), _RESULT)

    def open_result(self, sealed: bytes) -> Kept:
        """Raises `BadPayload` unless we sealed it as a result."""
        try:
            return _KEPT.decode(self._open(sealed, _RESULT))
        except wire.UNREADABLE as error:
            raise BadPayload(f"signed, but no result: {error}") from error

    def dumps(self, data: dict[str, Any]) -> bytes:
        """arq's `job_serializer`; a result is told from a job by its key `r`."""
        if "r" in data:
            return self._seal(wire.pack(data), _RESULT)
        packed = {name: msgspec.Raw(wire.pack(data[name])) for name in "ak"}
        fields: dict[str, Any] = {**data, **packed}
        return self.seal_payload(Payload(**fields))

    def loads(self, sealed: bytes) -> dict[str, Any]:
        """arq's `job_deserializer`."""
        if _flags(sealed) & _RESULT:
            data: dict[str, Any] = wire.unpack(self._open(sealed, _RESULT))
            return data
        payload = self.open_payload(sealed)
        return {**structs.asdict(payload), "a": wire.unpack(payload.a), "k": wire.unpack(payload.k)}

    def _seal(self, body: bytes, flags: int) -> bytes:
        if len(body) > COMPRESS_OVER:
            packed = zlib.compress(body, 1)
            if len(packed) < len(body):
                body, flags = packed, flags | _COMPRESSED
        return self._signing.heads[flags] + self._signing.mac(flags, body) + body

    def _open(self, sealed: bytes, kind: int) -> bytes:
        if len(sealed) < _HEAD or sealed[0] != _VERSION:
            raise BadPayload("not in our envelope")
        flags, mac, body = sealed[1], sealed[3:_HEAD], sealed[_HEAD:]
        for key in self._by_id.get(sealed[2], ()):  # two keys may share an id of one byte
            if flags < _FLAGS and compare_digest(mac, key.mac(flags, body)):
                break
        else:
            raise BadPayload("the signature is not ours")
        if flags & _RESULT != kind:
            raise BadPayload("a job where a result belongs, or the other way round")
        return _inflate(body) if flags & _COMPRESSED else body


class _Key:
    """A signing key, taken in once: each MAC starts from a copy of that state, head included."""

    def __init__(self, key: bytes) -> None:
        self.id = blake2b(key, digest_size=1, person=b"steward key id").digest()[0]
        self.heads = [bytes((_VERSION, flags, self.id)) for flags in range(_FLAGS)]
        self._begun = [blake2b(head, key=key, digest_size=_MAC) for head in self.heads]

    def mac(self, flags: int, body: bytes) -> bytes:
        digest = self._begun[flags].copy()
        digest.update(body)
        return digest.digest()


def _note(why: str) -> msgspec.Raw:
    return msgspec.Raw(wire.pack(RemoteError(NOT_KEPT, why)))


def _flags(sealed: bytes) -> int:
    return sealed[1] if len(sealed) > 1 else 0


def _inflate(body: bytes) -> bytes:
    inflating = zlib.decompressobj()
    try:
        whole = inflating.decompress(body, _LARGEST_INFLATED)
    except zlib.error as error:
        raise BadPayload("compressed, but not readable") from error
    if not inflating.eof:
        raise BadPayload("compressed, and cut off or too large")
    return whole

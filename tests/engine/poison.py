"""Bytes that may stand where a payload belongs: every one is wrong in one of its parts.

What is signed rightly and wrong all the same was written by somebody with the key: a plain arq
client, another release, or a bug.
"""

import json
import pickle
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import msgspec

from app.engine import Codec

_FOREIGN = Codec([b"a key that nobody here signs with"])
_HEAD = 19  # bytes: version, flags, key, MAC
_DEEP = 200_000
_F, _A, _ET, _ID, _Q, _K, _V, _SF, _P = range(9)  # the fields of a payload, in order
_NAN = float("nan")
_WRONG: dict[int, Sequence[Any]] = {
    _F: (7, None, [], b"test.write", {}, 1.5, True),
    _A: (5, "x", {}, None, [], [5], [None], [_NAN], [["x"]], [{}], ["x"] * 3, ["x"] * 20, [b"x"]),
    _ET: ("now", 10**18, -1, _NAN, float("inf"), None, 2**63, 1.5, [], -(2**62)),
    _ID: (7, "another", None, b"run", [], "", "../run", "*"),
    _Q: (7, "urgent", None, [], "", b"default"),
    _K: ([], 5, {"nope": 1}, {1: 2}, {"text": "twice"}, None, {"": 1}, {"ctx": 1}),
    _V: ("1", None, 1.5, [], b"1"),
    _SF: ("now", -1, 10**18, _NAN, None, []),
    _P: (7, None, [], {}),
}


class Canary:
    """Unpickling it would run code."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return eval, ("print('a payload ran')",)


@dataclass(kw_only=True)
class Poison:
    """Spoils payloads, each time in another way."""

    codec: Codec
    dice: Random
    largest: int
    """bytes, of the largest that is made"""
    others: Sequence[bytes] = ()
    """Whole payloads, valid where they belonged: of runs that are over, of another queue."""

    def spoil(self, sealed: bytes) -> bytes:
        """Something that must not run, made of a payload that would."""
        spoiled = sealed
        while spoiled == sealed:
            spoiled = self.dice.choice(_WAYS)(self, sealed)
        return spoiled

    def signed(self, body: bytes, flags: int = 0) -> bytes:
        """As only somebody with the key can."""
        anybody: Any = self.codec
        return bytes(anybody._seal(body, flags))

    def number(self, *, below: int) -> int:
        """Any."""
        return self.dice.randrange(below)


def _flip(by: Poison, sealed: bytes) -> bytes:
    altered = bytearray(sealed)
    for _ in range(by.dice.choice((1, 1, 2, 9))):
        altered[by.number(below=len(sealed))] ^= 1 << by.number(below=8)
    return bytes(altered)


def _cut(by: Poison, sealed: bytes) -> bytes:
    return sealed[: by.number(below=len(sealed))]


def _lengthen(by: Poison, sealed: bytes) -> bytes:
    return sealed + by.dice.randbytes(1 + by.number(below=40))


def _head(by: Poison, sealed: bytes) -> bytes:
    place = by.number(below=3)
    return sealed[:place] + by.dice.randbytes(1) + sealed[place + 1 :]


def _mac(by: Poison, sealed: bytes) -> bytes:
    return sealed[:3] + by.dice.choice((bytes(16), by.dice.randbytes(16))) + sealed[_HEAD:]


def _noise(by: Poison, _sealed: bytes) -> bytes:
    return by.dice.randbytes(by.number(below=400))


def _large(by: Poison, _sealed: bytes) -> bytes:
    return b"\x01" * by.dice.choice((1000, 70_000, by.largest if by.number(below=50) == 0 else 100))


def _pickled(by: Poison, sealed: bytes) -> bytes:
    data = pickle.dumps(Canary(), protocol=by.number(below=6))
    return by.dice.choice((data, by.signed(data), sealed[:_HEAD] + data))


def _text(by: Poison, _sealed: bytes) -> bytes:
    call = json.dumps({"f": "test.write", "a": [int("9" * 4000)], "k": {}, "n": _NAN}).encode()
    texts = (call, b"9" * 5000, b"NaN", b"null", b"\xff\xfe not ours", "日本".encode("utf-16"))
    chosen = by.dice.choice(texts)
    return by.dice.choice((chosen, by.signed(chosen)))


def _moved(by: Poison, _sealed: bytes) -> bytes:
    return by.dice.choice(by.others)


def _foreign(_by: Poison, sealed: bytes) -> bytes:
    anybody: Any = _FOREIGN
    return bytes(anybody._seal(sealed[_HEAD:], 0))


def _field(by: Poison, sealed: bytes) -> bytes:
    fields = msgspec.msgpack.decode(sealed[_HEAD:])
    place = by.dice.choice([*_WRONG])
    fields[place] = by.dice.choice(_WRONG[place])
    return by.signed(msgspec.msgpack.encode(fields))


def _shape(by: Poison, sealed: bytes) -> bytes:
    body = sealed[_HEAD:]
    fields = msgspec.msgpack.decode(body)
    shapes: Sequence[Any] = (
        fields[: by.number(below=3)],
        {"f": "test.write", "a": [], "k": {}, "et": 1},
        [fields],
        None,
        [],
        {},
        [fields] * 3,
    )
    return by.signed(msgspec.msgpack.encode(by.dice.choice(shapes)))


def _deep(by: Poison, sealed: bytes) -> bytes:
    fields = msgspec.msgpack.decode(sealed[_HEAD:])
    place, nested = by.dice.choice((_A, _K, _F, _ET)), b"\x91" * _DEEP + b"\x90"
    whole = b"".join(
        nested if at == place else msgspec.msgpack.encode(each) for at, each in enumerate(fields)
    )
    return by.signed(bytes((0x90 + len(fields),)) + whole)


def _half_characters(by: Poison, sealed: bytes) -> bytes:
    fields = msgspec.msgpack.decode(sealed[_HEAD:])
    fields[by.dice.choice((_F, _ID, _Q, _P))] = "@@@@"
    return by.signed(msgspec.msgpack.encode(fields).replace(b"@@@@", b"\xff\xed\xa0\x80"))


def _twice_named(by: Poison, sealed: bytes) -> bytes:
    fields = msgspec.msgpack.decode(sealed[_HEAD:])
    fields[_A], fields[_K] = [], {"@": 1}
    both = b"\x82" + b"\xa4text\xa1x" * 2
    return by.signed(msgspec.msgpack.encode(fields).replace(b"\x81\xa1@\x01", both))


def _extension(by: Poison, sealed: bytes) -> bytes:
    fields = msgspec.msgpack.decode(sealed[_HEAD:])
    odd = msgspec.msgpack.Ext(by.dice.choice((-1, 1, 2, 77)), by.dice.randbytes(by.number(below=9)))
    fields[_A] = [odd]
    return by.signed(msgspec.msgpack.encode(fields))


@cache
def _bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def _compressed(by: Poison, sealed: bytes) -> bytes:
    bomb = _bomb(by.largest)
    flags, body = by.dice.choice(((1, bomb), (1, sealed[_HEAD:]), (1, bomb[:-5]), (3, bomb)))
    anybody: Any = by.codec
    head = anybody._signing.heads[flags]
    return bytes(head + anybody._signing.mac(flags, body) + body)


_WAYS: Sequence[Callable[[Poison, bytes], bytes]] = (
    *(_flip, _cut, _lengthen, _head, _mac, _noise, _large),
    *(_pickled, _text, _foreign, _moved),
    *(_field, _field, _field, _field, _shape, _half_characters, _twice_named, _extension),
    *(_deep, _compressed),
)

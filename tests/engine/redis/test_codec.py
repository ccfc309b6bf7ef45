"""The envelope: what opens, and what does not."""

import asyncio
import pickle
import random
import zlib
from datetime import datetime
from typing import Any

import arq.jobs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import BadPayload, Codec, DeclarationError, RemoteError, TooLarge, wire
from app.engine.envelope import Kept, Payload
from app.engine.redis.codec import COMPRESS_OVER, LARGEST_PAYLOAD

CODEC = Codec([b"k" * 32])
FOREIGN = Codec([b"another key of 32 bytes, or so..."])


def payload(text: str = "hello", **others: Any) -> Payload:
    args = msgspec.Raw(wire.pack((text,)))
    fields: dict[str, Any] = {"id": "run-1", "q": "default", "et": 1_700_000_000_000, **others}
    return Payload(f="test.write", a=args, k=msgspec.Raw(b"\x80"), **fields)


def kept(value: object = 5) -> Kept:
    return Kept(
        t=1,
        f="test.write",
        a=msgspec.Raw(b"\x90"),
        k=msgspec.Raw(b"\x80"),
        et=1,
        s=True,
        r=msgspec.Raw(wire.pack(value)),
        st=2,
        ft=3,
        q="default",
        id="run-1",
    )


def resigned(body: bytes, flags: int = 0) -> bytes:
    """`body` in an envelope that only somebody with the key can make."""
    sealed: Any = CODEC
    return bytes(sealed._seal(body, flags))


@given(text=st.text(max_size=10_000), id=st.text(max_size=20), sf=st.integers(0, 2**47))
def test_a_payload_opens_as_it_was_sealed(text: str, id: str, sf: int) -> None:
    sent = payload(text, id=id, sf=sf)

    assert CODEC.open_payload(CODEC.seal_payload(sent)) == sent


@given(st.recursive(st.integers() | st.text(), st.lists, max_leaves=50))
def test_a_result_opens_as_it_was_sealed(value: Any) -> None:
    try:
        sent = kept(value)
    except TypeError:  # an integer of more than 64 bits
        return

    assert wire.unpack(CODEC.open_result(CODEC.seal_result(sent)).r) == value


@pytest.mark.parametrize(
    "sealed", [CODEC.seal_payload(payload()), CODEC.seal_payload(payload("x" * 9000))]
)
def test_no_altered_byte_goes_unnoticed(sealed: bytes) -> None:
    for place in range(len(sealed)):
        for bit in (1, 128):
            altered = bytearray(sealed)
            altered[place] ^= bit
            with pytest.raises(BadPayload):
                CODEC.open_payload(bytes(altered))


def test_no_truncation_goes_unnoticed() -> None:
    sealed = CODEC.seal_payload(payload())

    for length in range(len(sealed)):
        with pytest.raises(BadPayload):
            CODEC.open_payload(sealed[:length])
    with pytest.raises(BadPayload):
        CODEC.open_payload(sealed + b"\0")


@given(st.binary())
def test_no_other_bytes_open(data: bytes) -> None:
    for opened in (CODEC.open_payload, CODEC.open_result, CODEC.loads):
        with pytest.raises(BadPayload):
            opened(data)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_bytes_do_not_open(protocol: int) -> None:
    with pytest.raises(BadPayload):
        CODEC.open_payload(pickle.dumps({"f": "test.write"}, protocol))


def test_a_foreign_signature_does_not_open() -> None:
    with pytest.raises(BadPayload, match="not ours"):
        CODEC.open_payload(FOREIGN.seal_payload(payload()))


def test_a_result_is_no_job_and_a_job_no_result() -> None:
    with pytest.raises(BadPayload):
        CODEC.open_payload(CODEC.seal_result(kept()))
    with pytest.raises(BadPayload):
        CODEC.open_result(CODEC.seal_payload(payload()))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc0",
        b"\x90",
        b"\x80",
        wire.pack({"f": 5, "a": [], "k": {}, "et": 1, "t": None}),
        wire.pack({"f": "x", "a": [], "k": {}, "et": -1, "t": None}),
        wire.pack({"f": "x", "a": [], "k": {}, "et": 2**63, "t": None}),
        wire.pack({"f": "x", "a": [], "k": {}, "et": 1, "sf": 253402300800000, "t": None}),
        b"\x85\xa1f\xa1\xff\xa1a\x90\xa1k\x80\xa2et\x01\xa1t\xc0",
    ],
)
def test_what_is_signed_but_no_payload_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload, match="signed, but no job"):
        CODEC.open_payload(resigned(body))
    with pytest.raises(BadPayload, match="signed, but no result"):
        CODEC.open_result(resigned(body, 2))


def test_old_keys_still_open_after_a_rotation_and_new_ones_sign() -> None:
    old, new = b"the old key, 32 bytes or longer..", b"the new key, 32 bytes or longer.."
    rotated = Codec([new, old])
    sent = payload()

    assert rotated.open_payload(Codec([old]).seal_payload(sent)) == sent
    assert Codec([new]).open_payload(rotated.seal_payload(sent)) == sent
    with pytest.raises(BadPayload):
        Codec([old]).open_payload(rotated.seal_payload(sent))


def test_keys_whose_ids_collide_do_not_get_in_each_others_way() -> None:
    many = [b"key number %06d, long enough" % n for n in range(600)]  # one id in 256 each
    rotated = Codec(many)

    for key in many:
        assert rotated.open_payload(Codec([key]).seal_payload(payload())) == payload()
    assert Codec(many[:1]).open_payload(rotated.seal_payload(payload())) == payload()


@pytest.mark.parametrize("keys", [[], [b""], [b"x" * 15], [b"x" * 32, b"short"]])
def test_a_weak_key_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(DeclarationError):
        Codec(keys)


def test_a_large_payload_is_stored_smaller_and_a_small_one_as_it_is() -> None:
    large, small = payload("word " * COMPRESS_OVER), payload("word")

    assert len(CODEC.seal_payload(large)) < COMPRESS_OVER
    assert b"word" in CODEC.seal_payload(small)
    assert CODEC.open_payload(CODEC.seal_payload(large)) == large


def test_what_compression_would_enlarge_is_stored_as_it_is() -> None:
    noise = random.Random(7).randbytes(9000)
    sent = msgspec.structs.replace(payload(), a=msgspec.Raw(wire.pack((noise,))))

    assert CODEC.open_payload(CODEC.seal_payload(sent)) == sent
    assert noise[:100] in CODEC.seal_payload(sent)


def test_a_payload_over_the_limit_is_refused_though_it_would_compress() -> None:
    with pytest.raises(TooLarge, match=r"test\.write.*allowed"):
        CODEC.seal_payload(payload("a" * LARGEST_PAYLOAD))


def test_a_bomb_needs_the_key() -> None:
    bomb = zlib.compress(b"\0" * 50_000_000, 9)
    sealed = bytearray(CODEC.seal_payload(payload("x" * 9000)))
    sealed[19:] = bomb

    with pytest.raises(BadPayload, match="not ours"):
        CODEC.open_payload(bytes(sealed))
    with pytest.raises(BadPayload, match="not readable"):
        CODEC.open_payload(resigned(b"no zlib stream", 1))


@given(
    args=st.lists(st.integers(-(2**63), 2**63) | st.text(), max_size=4).map(tuple),
    kwargs=st.dictionaries(st.text(), st.none() | st.booleans() | st.binary(), max_size=3),
    score=st.integers(0, 2**45),
)
def test_arqs_own_functions_read_what_ours_wrote(
    args: tuple[Any, ...], kwargs: dict[str, Any], score: int
) -> None:
    sealed = arq.jobs.serialize_job("test.write", args, kwargs, None, score, serializer=CODEC.dumps)

    read = arq.jobs.deserialize_job(sealed, deserializer=CODEC.loads)

    assert (read.function, tuple(read.args), read.kwargs) == ("test.write", args, kwargs)
    assert CODEC.open_payload(sealed).f == "test.write"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("wrong"),
        KeyError("x"),
        asyncio.CancelledError(),
        RemoteError("their.Error", "odd"),
    ],
)
def test_arqs_own_functions_read_a_failed_result(error: BaseException) -> None:
    sealed: Any = arq.jobs.serialize_result(
        "test.write",
        (),
        {},
        1,
        1,
        False,
        error,
        2,
        3,
        "ref",
        "arq:queue",
        "run-1",
        serializer=CODEC.dumps,
    )

    read = arq.jobs.deserialize_result(sealed, deserializer=CODEC.loads)

    assert not read.success
    assert type(read.result) is type(error)
    assert wire.message_of(read.result) == wire.message_of(error) or isinstance(error, KeyError)


def test_arq_reads_our_results() -> None:
    read = arq.jobs.deserialize_result(CODEC.seal_result(kept("done")), deserializer=CODEC.loads)

    assert (read.result, read.success, read.job_id) == ("done", True, "run-1")
    assert isinstance(read.finish_time, datetime)

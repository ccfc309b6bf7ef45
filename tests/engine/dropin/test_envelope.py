"""What an arq project writes and reads, and what we make of it."""

import json
import pickle
from functools import partial
from typing import Any

import msgspec
import pytest
from arq.jobs import deserialize_job, deserialize_result, serialize_job
from arq.worker import JobExecutionFailed

from app.engine import BadPayload, DeclarationError, JobTimeout, SelfCancelled, WorkerDied
from app.engine.dropin.envelope import ArqEnvelope, opened, payload_of, refuse_pickle
from app.engine.envelope import Kept

PLAIN = ArqEnvelope(pickle.dumps, pickle.loads, queue_name="arq:queue")


def kept(**fields: Any) -> Kept:
    given: Any = {"a": (1, "roses"), "k": {"litres": 7}, "r": "wet", **fields}
    return Kept(
        t=2, f="water", et=1_000, s=True, st=2_000, ft=3_000, q="/arq:queue", id="x", **given
    )


def test_a_payload_of_arqs_is_opened() -> None:
    written = serialize_job("water", ("roses",), {"litres": 7}, 3, 1_000, serializer=pickle.dumps)

    payload = PLAIN.open_payload(written)

    assert (payload.f, payload.et) == ("water", 1_000)
    assert opened(payload.a, payload.k) == ((3, "roses"), {"litres": 7})


def test_a_payload_of_ours_is_one_of_arqs() -> None:
    payload = payload_of("water", ("roses",), {"litres": 7}, first_try=1, enqueued_ms=1_000)

    read = deserialize_job(PLAIN.seal_payload(payload), deserializer=pickle.loads)

    assert (read.function, read.args, read.kwargs) == ("water", ("roses",), {"litres": 7})
    assert read.job_try is None


def test_a_result_is_one_of_arqs() -> None:
    read = deserialize_result(PLAIN.seal_result(kept()), deserializer=pickle.loads)

    assert (read.function, read.args, read.kwargs) == ("water", ("roses",), {"litres": 7})
    assert (read.job_try, read.success, read.result, read.queue_name) == (
        2,
        True,
        "wet",
        "arq:queue",
    )


def test_a_run_that_began_at_a_later_try_says_so_in_its_result() -> None:
    sealed = PLAIN.seal_result(kept(a=(4, "roses")))

    assert deserialize_result(sealed, deserializer=pickle.loads).job_try == 5


def test_a_result_that_nothing_can_be_written_of_is_none_to_arqs_clients() -> None:
    def refuse(_data: dict[str, Any]) -> bytes:
        raise TypeError("nothing fits")

    assert ArqEnvelope(refuse, pickle.loads, queue_name="arq:queue").seal_result(kept()) == b""


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"t": None, "f": 7, "a": [], "k": {}, "et": 1},
        {"t": None, "f": "water", "a": 3, "k": {}, "et": 1},
        {"t": None, "f": "water", "a": [], "k": "no", "et": 1},
        {"t": "two", "f": "water", "a": [], "k": {}, "et": 1},
        {"t": None, "f": "water", "a": [], "k": {}, "et": "now"},
        {"t": None, "f": "water", "a": [], "k": {}, "et": 10**400},
    ],
)
def test_what_arq_could_not_have_written_is_refused(data: dict[str, Any]) -> None:
    envelope = ArqEnvelope(None, json.loads, queue_name="arq:queue")

    with pytest.raises(BadPayload, match="not readable"):
        envelope.open_payload(json.dumps(data).encode())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (JobTimeout("too long"), TimeoutError),
        (WorkerDied("five times"), JobExecutionFailed),
        (SelfCancelled("itself"), JobExecutionFailed),
        (BadPayload("torn"), JobExecutionFailed),
    ],
)
def test_our_errors_are_arqs_to_the_projects_clients(
    ours: Exception, theirs: type[Exception]
) -> None:
    told = PLAIN.pack_result(ours)

    assert type(told) is theirs
    assert str(told) == str(ours)


def test_the_projects_own_errors_are_its_own() -> None:
    error = KeyError("bed")

    assert PLAIN.pack_result(error) is error


@pytest.mark.parametrize("unsafe", [None, pickle.loads, pickle.Unpickler])
def test_pickle_is_refused_by_any_name(unsafe: Any) -> None:
    with pytest.raises(DeclarationError, match="job_deserializer is pickle"):
        refuse_pickle(unsafe)


@pytest.mark.parametrize("safe", [json.loads, msgspec.msgpack.decode, partial(json.loads)])
def test_other_serializers_are_welcome(safe: Any) -> None:
    refuse_pickle(safe)

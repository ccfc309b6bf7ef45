"""Ids of runs, and runs that are written down."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec import structs

from app.engine import Held, NewRun, seconds
from app.engine.run import new_id
from tests.engine.jobs import write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = NewRun(id="i", queue="q", payload=b"\x00p")


def test_a_generated_id_is_one_that_could_be_chosen() -> None:
    assert write.with_options(id=new_id()).options.id


def test_generated_ids_differ() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000
    assert len(new_id()) == 14


def test_a_run_that_is_written_down_comes_back_with_all_it_had() -> None:
    run = NewRun(
        id="i",
        queue="q",
        payload=b"\x00p",
        at_ms=5,
        key="k",
        held=seconds(3),
        longest_ms=7,
        most=9,
        is_counted=True,
        is_named=True,
    )
    optional = {name for name in NewRun.__struct_fields__[3:] if name != "delay_ms"}

    assert NewRun.of(run.kept(NOW)) == run
    assert NewRun.of(PLAIN.kept(NOW)) == PLAIN
    assert {each for each in optional if getattr(run, each) != getattr(PLAIN, each)} == optional


def test_the_delay_of_a_run_begins_when_it_is_written_down() -> None:
    run = NewRun.of(structs.replace(PLAIN, delay_ms=1_500).kept(NOW))

    assert (run.at_ms, run.delay_ms) == (round(NOW.timestamp() * 1000) + 1_500, 0)


@pytest.mark.parametrize("held", [Held.QUEUED, Held.ACTIVE, seconds(0), seconds(90)])
def test_how_long_a_key_is_held_is_written_down(held: Held | timedelta) -> None:
    assert NewRun.of(structs.replace(PLAIN, held=held).kept(NOW)).held == held


def test_what_another_release_writes_beside_it_is_passed_over() -> None:
    fields = msgspec.msgpack.decode(PLAIN.kept(NOW))

    assert NewRun.of(msgspec.msgpack.encode({**fields, "unknown": 1})) == PLAIN

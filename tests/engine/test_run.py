"""Ids of runs."""

from app.engine.run import new_id
from tests.engine.jobs import write


def test_a_generated_id_is_one_that_could_be_chosen() -> None:
    assert write.with_options(id=new_id()).options.id


def test_generated_ids_differ() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000
    assert len(new_id()) == 14

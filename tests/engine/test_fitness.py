"""What speaks against a server, from what it says of itself."""

from typing import get_args

import pytest

from app.engine import Fitness, Flaw
from app.engine.fitness import ServerFacts, objections_to
from app.settings.sections import Risk

GOOD = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 1}


@pytest.mark.parametrize(
    ("said", "flaws"),
    [
        ({}, []),
        ({"redis_version": "6.0.16"}, [Flaw.OLD_VERSION]),
        ({"redis_version": "5.0"}, [Flaw.OLD_VERSION]),
        ({"redis_version": "6.2.0"}, []),
        ({"redis_version": "10.0.0"}, []),
        ({"redis_version": "unstable"}, []),
        ({"maxmemory_policy": "allkeys-lru"}, [Flaw.EVICTION]),
        ({"maxmemory_policy": "volatile-ttl"}, [Flaw.EVICTION]),
        ({"aof_enabled": 0}, [Flaw.NO_PERSISTENCE]),
        ({"aof_enabled": 0, "redis_version": "3.2.1"}, [Flaw.OLD_VERSION, Flaw.NO_PERSISTENCE]),
    ],
)
def test_each_flaw_has_its_name(said: dict[str, object], flaws: list[Flaw]) -> None:
    facts = ServerFacts.of_info(GOOD | said, is_open_to_others=False)

    assert [each.flaw for each in objections_to(facts)] == flaws


def test_a_server_that_strangers_reach_is_named() -> None:
    facts = ServerFacts.of_info(GOOD, is_open_to_others=True)

    assert [each.flaw for each in objections_to(facts)] == [Flaw.NO_AUTHENTICATION]


def test_what_a_server_does_not_say_is_not_held_against_it() -> None:
    assert list(objections_to(ServerFacts.of_info({}, is_open_to_others=False))) == []


def test_what_is_accepted_is_an_objection_no_more() -> None:
    facts = ServerFacts.of_info({"aof_enabled": 0}, is_open_to_others=True)
    fitness = Fitness(tuple(objections_to(facts)))

    left = fitness.beyond(["no-persistence"])

    assert [each.flaw for each in left] == [Flaw.NO_AUTHENTICATION]


def test_the_setting_accepts_just_these() -> None:
    assert set(get_args(Risk)) == set(Flaw)

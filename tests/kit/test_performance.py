"""The generators give every field that a report of performance has, within what it can be."""

from dataclasses import fields
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.kit.performance import Performance, generate_performance_data

WANTED = {
    *("cpu_usage_percent", "memory_usage_percent", "response_time_ms", "execution_time"),
    *("throughput", "error_rate", "timestamp"),
}


def test_every_field_is_there_and_possible() -> None:
    for load in (0.0, 0.5, 1.0):
        for each in generate_performance_data(200, load=load):
            percents = each.cpu_usage_percent, each.memory_usage_percent, each.error_rate
            assert all(0 <= percent <= 100 for percent in percents)
            assert each.response_time_ms >= 1000 * each.execution_time * 0.99 > 0
            assert each.throughput > 0

    assert {each.name for each in fields(Performance)} >= WANTED


def test_the_same_seed_gives_the_same_data_a_minute_apart() -> None:
    first, second = generate_performance_data(10, seed=3), generate_performance_data(10, seed=3)

    assert first == second
    assert first != generate_performance_data(10, seed=4)
    apart = {b.timestamp - a.timestamp for a, b in pairwise(first)}
    assert apart == {timedelta(minutes=1)}


def test_a_load_that_can_not_be_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        generate_performance_data(1, load=50)

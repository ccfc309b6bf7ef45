"""Steps in any order, by many workers, over lost answers and deaths: each run has one fate."""

import hypothesis
import pytest
from arq.connections import RedisSettings
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engine.machine.bench import open_bench
from tests.engine.machine.machine import Machine
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier


@pytest.mark.case(45)
@pytest.mark.timeout(900)  # s; it is quick, unless it fails and looks for the shortest way to that
@pytest.mark.usefixtures("anyio_backend")
def test_whatever_happens_in_whatever_order_each_run_has_one_fate(
    redis_settings: RedisSettings, tier: Tier, seed: int, case: Case
) -> None:
    examples, steps = tier.of(12, 200, 2_000), tier.of(30, 50)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )

    with open_bench(redis_settings) as bench:

        @hypothesis.seed(seed)
        class Here(Machine):
            def __init__(self) -> None:
                super().__init__(bench)

        run_state_machine_as_test(Here, settings=chosen)

    case.says(
        f"{examples} x {steps} steps in random order, seed {seed}",
        arq="no model of it",
        steward="I1 to I4 and I7 after each",
    )

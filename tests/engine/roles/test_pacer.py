"""How long a worker waits between two claims."""

from time import monotonic

import pytest

from app.engine import Clock, seconds
from app.engine.roles.pacer import Pacer
from app.engine.run import Claim

NOTHING = Claim(runs=(), next_due=None, is_told=True)
CHANGES = 10
LONG = 0.02  # s


@pytest.mark.parametrize("are_handed", [False, True], ids=["others were quicker", "handed over"])
async def test_changes_that_bring_nothing_are_left_to_others_unless_they_were_ours(
    *, are_handed: bool
) -> None:
    pacer, waited = Pacer(Clock(), poll=seconds(5)), 0.0
    for _ in range(CHANGES):
        if are_handed:
            pacer.handed()
        pacer.changed()
        pacer.begin()
        pacer.asked()
        pacer.changed()
        before = monotonic()
        await pacer.pause(NOTHING)
        waited = monotonic() - before

    assert (waited < LONG) is are_handed

"""The clock of Redis's own machine jumps: what it keeps for a time goes at once, or far later."""

from datetime import timedelta
from time import monotonic

import pytest

from app.engine import Client, Codec, Doctor, Trouble, hours, seconds
from tests import servers
from tests.clock_shim import ClockShim
from tests.engine.conftest import workshop_at
from tests.engine.jobs import pass_gate, write
from tests.engine.test_abort import terminal_events
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.rights import asked

HELD, STALL = 20, 2.0  # s
SOON = seconds(30)


@pytest.mark.case(28)
@pytest.mark.tier("T2")
@pytest.mark.parametrize("jump", [hours(1), -hours(1)], ids=["ahead", "back"])
async def test_a_server_whose_clock_jumps_stalls_nothing_and_ends_each_run_once(
    codec: Codec, case: Case, jump: timedelta
) -> None:
    with servers.folder() as place:
        shim = ClockShim(place, servers.program("valkey"))
        async with (
            servers.running(shim.program, place) as server,
            workshop_at(server.settings, codec, write, pass_gate) as shop,
            Client.open(server.settings, codec, jobs=shop.jobs) as stranger,
            shop.working(),
            shop.working(),
        ):
            held = await stranger.enqueue_many(pass_gate.call(str(n)) for n in range(HELD))
            await eventually(lambda: len(shop.page) == HELD)
            before = await _time_at(stranger)

            shim.set_ahead(jump)
            jumped = await _time_at(stranger) - before
            began = monotonic()
            handle = await stranger.enqueue(write, "it")
            await handle.result(within=SOON)
            soon = monotonic() - began
            began = monotonic()
            later = await stranger.enqueue(write.with_options(delay=seconds(2)), "later")
            await later.result(within=SOON)
            delayed = monotonic() - began
            repeats = len([each for each in shop.page if each.endswith("waits")]) - HELD
            shop.gate.set()
            ends = [await each.result(within=SOON) for each in held]
            await eventually(lambda: len(shop.heard) >= HELD + 2)
            committed = await terminal_events(stranger)
            findings = await Doctor(stranger, jobs=shop.jobs, pause=seconds(0.1)).examine()

    case.says(
        f"the clock of Redis's machine jumps by {jump / hours(1):+g} h while {HELD} runs are at"
        " work",
        steward=f"a run done after {soon:.2f} s, one delayed by 2 s after {delayed:.2f} s;"
        f" {repeats} begun again, {len(ends)} of {HELD} ended once",
    )
    assert abs(jumped - jump.total_seconds()) < 30  # the clock did jump
    assert soon < STALL
    assert 2 <= delayed < 2 + STALL
    assert len(committed) == HELD + 2
    assert set(committed.values()) == {1}
    assert [each for each in findings if each.trouble is not Trouble.QUEUE] == []


async def _time_at(client: Client) -> int:
    """What its server's clock shows, in seconds."""
    at, _ = await asked(client.store.redis, "TIME")
    return int(at)

"""Two releases side by side: each does what it can, and nothing is failed for being too new."""

from collections.abc import Sequence
from signal import SIGTERM
from typing import Any

import pytest

from app.context import Services
from app.engine import Client, DeadLetters, Handle, RunStatus, seconds
from tests.eventually import eventually
from tests.life import releases
from tests.life.home import Home
from tests.life.processes import WorkerProcess
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

NEW = 30
SOON, GENEROUS = 2.0, 10.0  # s


@pytest.mark.case(12)
async def test_what_is_too_new_waits_for_a_worker_of_its_release(
    home: Home, steward: Services, case: Case, tier: Tier
) -> None:
    anybody = Client(steward.client.store, steward.client.codec)
    old = await _release(home, steward, "1")
    unknown = await anybody.enqueue_many(releases.wave.call() for _ in range(NEW))
    newer = await anybody.enqueue_many(releases.greet.call("Ann", "Lee") for _ in range(NEW))
    waiting: list[Handle[Any]] = [*unknown, *newer]
    known = await anybody.enqueue(releases.greet_by_name, "Ann Lee")
    assert await known.result() == "Hello Ann Lee"
    await eventually(lambda: _all_are_parked(waiting), within=seconds(20))

    new = await _release(home, steward, "2")
    said = [await each.result(within=seconds(20)) for each in waiting]

    appeared = next(each.at for each in home.ledger.lines("opened") if each.pid == new.pid)
    ran = [each for what in ("waved", "greeted") for each in home.ledger.lines(what)]
    slowest = max(each.at for each in ran) - appeared
    case.says(
        f"{2 * NEW} runs of a newer release on an older worker",
        arq="all destroyed",
        steward=f"all wait, and the last begins {slowest:.1f} s after a newer worker",
    )
    assert said == [1] * NEW + ["Good day, Lee, Ann"] * NEW
    assert {each.pid for each in ran} == {new.pid}
    assert slowest <= tier.bound(SOON, loose=GENEROUS)
    assert old.is_alive
    assert await DeadLetters(anybody).count() == 0


@pytest.mark.case(12)
@pytest.mark.tier("T2")
@pytest.mark.timeout(240)
async def test_what_the_old_release_left_is_lifted_and_a_downgrade_loses_nothing(
    home: Home, steward: Services, case: Case
) -> None:
    anybody = Client(steward.client.store, steward.client.codec)
    left = await anybody.enqueue_many(releases.greet_by_name.call("Ann Lee") for _ in range(5))
    odd = await anybody.enqueue(releases.greet_by_name, "Ann")

    new = await _release(home, steward, "2")
    assert [await each.result() for each in left] == ["Good day, Lee, Ann"] * 5
    (letter,) = await eventually(lambda: DeadLetters(anybody).list())
    new.send(SIGTERM)
    await new.exit_code()
    late = await anybody.enqueue_many(releases.greet.call("Bo", "Day") for _ in range(5))
    await _release(home, steward, "1")
    await eventually(lambda: _all_are_parked(late), within=seconds(20))
    await _release(home, steward, "2")

    assert [await each.result(within=seconds(20)) for each in late] == ["Good day, Day, Bo"] * 5
    case.says(
        "payloads of the old release meet the new one, and the other way round",
        arq="its payloads have no version: what does not fit fails",
        steward="lifted, or a dead letter with the payload; a downgrade parks, and loses nothing",
    )
    assert letter.id == odd.id
    assert "upcast from version 1 failed" in letter.last.message
    assert anybody.codec.open_payload(letter.payload).v == 1
    assert home.ledger.lines("greeted by the first") == []


async def _release(home: Home, steward: Services, number: str) -> WorkerProcess:
    return await home.worker(**{releases.VARIABLE: number}).ready(steward.client)


async def _all_are_parked(handles: Sequence[Handle[Any]]) -> bool:
    return all([await each.status() == RunStatus.PARKED for each in handles])

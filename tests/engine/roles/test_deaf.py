"""Runs that ignored their cancellation: how long they are left to others."""

from time import monotonic

from app.engine import seconds
from app.engine.roles.deaf import Deaf
from app.engine.run import Claimed
from tests.eventually import eventually

LEASE = seconds(0.2)


def claimed(run_id: str = "deaf") -> Claimed:
    return Claimed(id=run_id, queue="default", attempt=2, payload=b"", worker="w1")


async def test_one_that_only_this_worker_takes_ends_the_worker() -> None:
    retired = list[str]()
    deaf = Deaf(lambda _: True, lease=LEASE, retire=retired.append)
    began = monotonic()

    async def is_retired() -> bool:
        assert deaf.left(claimed())
        return bool(retired)

    await eventually(is_retired)

    assert "run deaf ignored its cancellation" in retired[0]
    assert monotonic() - began >= 2 * LEASE.total_seconds()


async def test_one_that_others_had_in_between_is_left_to_them_anew() -> None:
    retired = list[str]()
    deaf = Deaf(lambda _: True, lease=LEASE, retire=retired.append)
    first_at = monotonic()

    assert deaf.left(claimed())
    await eventually(lambda: monotonic() - first_at > 3 * LEASE.total_seconds())

    assert deaf.left(claimed())
    assert retired == []


async def test_one_that_has_gone_begins() -> None:
    assert Deaf(lambda _: False, lease=LEASE, retire=print).left(claimed()) is None

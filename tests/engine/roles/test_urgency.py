"""How slots are shared between queues."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import seconds
from app.engine.roles.urgency import Urgency

LEASE = seconds(60)


def urgency(
    *queues: str, slots: int = 10, turn: int = 8, limits: dict[str, int] | None = None
) -> Urgency:
    return Urgency([(name, LEASE) for name in queues], slots=slots, turn=turn, limits=limits or {})


def idle(_: str) -> int:
    return 0


def most(ours: Urgency, free: int, **busy: int) -> dict[str, int]:
    """What a claim for `free` slots may take of each queue."""
    return {each.queue: each.most for each in ours.shares(free, lambda name: busy.get(name, 0))}


@pytest.mark.parametrize("slots", [1, 2, 10, 100])
def test_a_tenth_of_the_slots_is_kept_for_the_urgent_half(slots: int) -> None:
    shares = most(urgency("a", "b", "c", "d", slots=slots), slots)

    kept = 0 if slots == 1 else max(1, slots // 10)
    assert shares == {"a": slots, "b": slots, "c": slots - kept, "d": slots - kept}


def test_the_less_urgent_half_gets_nothing_of_the_last_slots() -> None:
    assert most(urgency("a", "b", slots=20), 2) == {"a": 2, "b": 0}


def test_a_worker_of_one_queue_keeps_nothing_back() -> None:
    assert most(urgency("a"), 10) == {"a": 10}


@pytest.mark.parametrize(("turn", "others"), [(8, 10), (4, 20), (2, 40)])
def test_every_queue_is_first_now_and_then(turn: int, others: int) -> None:
    ours = urgency("a", "b", "c", turn=turn)

    firsts = Counter(ours.shares(10, idle)[0].queue for _ in range(160))

    assert firsts == {"a": 160 - 2 * others, "b": others, "c": others}


def test_a_lower_queue_that_is_first_is_followed_by_all_others() -> None:
    ours = urgency("a", "b", "c", turn=2)

    orders = {"".join(each.queue for each in ours.shares(10, idle)) for _ in range(4)}

    assert orders == {"abc", "bca", "cab"}


def test_a_limited_queue_gets_what_its_limit_leaves() -> None:
    ours = urgency("a", "b", limits={"a": 3})

    assert [most(ours, 9, a=busy)["a"] for busy in (0, 2, 3, 7)] == [3, 1, 0, 0]
    assert most(ours, 9, a=3)["b"] == 8


@given(
    slots=st.integers(1, 500),
    free=st.integers(0, 500),
    limit=st.integers(1, 500),
    busy=st.integers(0, 500),
)
def test_no_share_is_more_than_there_is_room_for(
    slots: int, free: int, limit: int, busy: int
) -> None:
    ours = urgency("a", "b", "c", slots=slots, limits={"b": limit})

    shares = most(ours, free, b=busy)

    assert all(0 <= share <= free for share in shares.values())
    assert shares["b"] + busy <= max(limit, busy)

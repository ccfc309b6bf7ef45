"""`doctor`: 0 when nothing is wrong, 1 when something is, and it is mended on request."""

from typing import Any

from anyio.from_thread import start_blocking_portal

from app.engine.redis.connection import make_blocking_redis
from app.local.valkey import open_valkey
from tests.cli.command import Command

MOST = 20  # of a kind are shown


def test_what_is_wrong_is_named_and_mended(steward: Command) -> None:
    names = sorted(f"welcome-{n}" for n in range(MOST + 3))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_valkey(steward.home)) as settings,
    ):
        redis = make_blocking_redis(settings)
        redis.mset({f"steward:unique:{name}": "gone|" for name in names})

        seen = steward("doctor")
        all_of_it = steward("doctor", "--all")
        mended = steward("doctor", "--repair", "--json")
        left: Any = redis.keys("*")
        redis.close()

    assert seen.code == all_of_it.code == 1
    assert seen.out.count("unique key without holder") == MOST + 1
    assert "... and 3 more, which --all shows: unique key without holder" in seen.out
    assert "--repair" in seen.out
    assert all_of_it.out.count("unique key without holder") == len(names)
    assert all(name in all_of_it.out for name in names)
    assert "more, which" not in all_of_it.out
    assert mended.code == 0
    assert sorted(each["subject"] for each in mended.json()) == names
    assert all(each["is_mended"] for each in mended.json())
    assert [key for key in left if not key.startswith(b"steward:slow-syncs:")] == []

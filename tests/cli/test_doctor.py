"""`doctor`: 0 when nothing is wrong, 1 when something is, and it is mended on request."""

from anyio.from_thread import start_blocking_portal

from app.engine.redis.connection import make_blocking_redis
from app.local.valkey import open_valkey
from tests.cli.command import Command


def test_what_is_wrong_is_named_and_mended(steward: Command) -> None:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_valkey(steward.home)) as settings,
    ):
        redis = make_blocking_redis(settings)
        redis.set("steward:unique:welcome", "gone|")

        seen = steward("doctor")
        mended = steward("doctor", "--repair", "--json")
        left = redis.keys("*")
        redis.close()

    assert seen.code == 1
    assert "unique key without holder" in seen.out
    assert "--repair" in seen.out
    assert mended.code == 0
    assert [(each["subject"], each["is_mended"]) for each in mended.json()] == [("welcome", True)]
    assert left == []

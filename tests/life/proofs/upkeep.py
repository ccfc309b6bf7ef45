"""Upkeep: what is over in the database goes and the rest stays, and the house is looked at."""

from sqlalchemy import select

from app.engine import Effect, EffectState, Place, days, hours
from app.services.health_report import Level
from app.storage.cache import Cache, CacheRow
from app.storage.effects import Effects
from app.storage.health import HealthChecks
from app.storage.optimizations import Optimizations
from app.storage.sessions import SessionRow, Sessions
from app.storage.sync_history import SyncHistory, SyncHistoryRow, SyncOutcome
from tests.life.proofs.scene import Proof, Scene

PHONE, LAPTOP = "phone", "laptop"


async def leave_nothing(_scene: Scene) -> None:
    """These look at the house as it is."""


async def is_optimized(scene: Scene) -> bool:
    """The planner knows the users of the day, which it did not before; each time is noted."""
    past = await Optimizations(scene.database).latest()
    known = [each.result["after"]["statistics"] for each in past]
    return bool(known) and any(each.startswith("users") for each in known[-1])


async def is_looked_at(scene: Scene) -> bool:
    latest, *_ = [*await HealthChecks(scene.database).latest(), None]
    if latest is None or scene.day.clock.now() - latest.checked_at > hours(3):
        return False
    levels = {part["name"]: part["level"] for part in latest.report["parts"]}
    return {levels.get(each) for each in ("database", "redis", "mail")} == {Level.HEALTHY}


async def leave_sessions(scene: Scene) -> None:
    for about, ago in ((PHONE, days(10)), (LAPTOP, days(1))):
        sessions = Sessions(scene.database, now=scene.ago(ago))
        await sessions.begin(scene.owner.id, about=about)


async def has_live_sessions_alone(scene: Scene) -> bool:
    async with scene.database.read() as session:
        return [*await session.scalars(select(SessionRow.about))] == [LAPTOP]


async def leave_history(scene: Scene) -> None:
    for ago in (days(100), days(80)):
        history = SyncHistory(scene.database, "old", now=scene.ago(ago))
        await history.end(await history.begin("source"), SyncOutcome.SUCCESS)


async def has_late_history_alone(scene: Scene) -> bool:
    past = select(SyncHistoryRow.started_at).filter_by(kind="old")
    async with scene.database.read() as session:
        return [*await session.scalars(past)] == [scene.begins - days(80)]


async def leave_cache(scene: Scene) -> None:
    cache = Cache(scene.database, now=scene.ago(hours(2)))
    await cache.put("short", b"gone by now", keep=hours(1))
    await cache.put("long", b"still there", keep=days(9))


async def has_fresh_cache_alone(scene: Scene) -> bool:
    """What others keep there beside these is not looked at."""
    cache = Cache(scene.database, now=scene.day.clock.now)
    async with scene.database.read() as session:
        keys = {*await session.scalars(select(CacheRow.key))}
    return "short" not in keys and await cache.get("long") == b"still there"


async def leave_effects(scene: Scene) -> None:
    effects = Effects(scene.database, now=scene.ago(days(10)))
    for name, state in (("sent", EffectState.DONE), ("cut", EffectState.BEGUN)):
        effect = Effect(
            place=Place(run_id=name, origin=f"{name}@0", name="mail"),
            state=state,
            by="a",
            job="t.t",
            attempt=1,
            worker="w1",
            since=0,
            asks=state is EffectState.BEGUN,
        )
        await effects.swap(effect.place, None, effect, lease="")


async def has_kept_the_doubt_alone(scene: Scene) -> bool:
    effects = scene.day.services.effects
    doubts = [each.place.run_id for each in await effects.in_doubt()]
    return doubts == ["cut"] and not await effects.of_run("sent")


PROOFS = {
    "maintenance.optimize_database": Proof(leave_nothing, is_optimized),
    "maintenance.cleanup_old_sessions": Proof(leave_sessions, has_live_sessions_alone),
    "maintenance.prune_history": Proof(leave_history, has_late_history_alone),
    "maintenance.cleanup_expired_cache": Proof(leave_cache, has_fresh_cache_alone),
    "maintenance.keep_effects": Proof(leave_effects, has_kept_the_doubt_alone),
    "maintenance.system_health_check": Proof(leave_nothing, is_looked_at),
}

"""The work, as parts of the health check: who does it, what waits, and what was left behind."""

from datetime import timedelta

from app.engine import Client, DeadLetters, Strays
from app.services.health_report import Level, Part, Thresholds, graded
from app.storage.clock import Now
from app.storage.database import Database
from app.storage.effects import Effects
from app.storage.outbox import Outbox


async def queues(client: Client, strays: Strays, limits: Thresholds) -> Part:
    """What is ready, as well as its oldest run is; runs that lost their queue are an alarm."""
    depths, lost = await client.queues(), await strays.look()
    slowest = max(depths, key=lambda each: each.oldest_wait, default=None)
    waited = slowest.oldest_wait if slowest else timedelta(0)
    line = f"{sum(each.ready for each in depths)} ready"
    if slowest and waited:
        line = f"{line}; {slowest.name} waits longest"
    if lost:
        line = (
            f"{line}; {len(lost)} runs lost their queue: `steward doctor --repair` puts them back"
        )
    return Part(
        name="queues",
        level=Level.UNHEALTHY if lost else _waits(waited, limits),
        measured=round(waited.total_seconds(), 1),
        unit="s",
        line=line,
    )


async def workers(client: Client) -> Part:
    """A queue that no live worker serves is the fault of the replaced system."""
    alive = await client.workers()
    served = {queue for worker in alive for queue in worker.queues}
    idle = [each.name for each in await client.queues() if each.name not in served]
    blocked = [each.blocked for each in alive if each.blocked]
    line = f"{len(alive)} alive, {sum(each.slots for each in alive)} slots"
    if blocked:
        line = f"{line}; jobs block {len(blocked)} of them, one for {max(blocked).seconds} s"
    fine = Level.DEGRADED if blocked else Level.HEALTHY
    return Part(
        name="workers",
        level=Level.UNHEALTHY if idle else fine,
        measured=len(alive),
        line=f"{line}; nobody serves {', '.join(idle)}" if idle else line,
    )


async def outbox(database: Database, client: Client, limits: Thresholds, now: Now) -> Part:
    """Runs that were written in the database, and are on no queue yet."""
    standing = await Outbox(database, client, now=now).standing()
    waited = max(now() - standing.oldest, timedelta(0)) if standing.oldest else timedelta(0)
    level, line = _waits(waited, limits), f"{standing.waiting} wait to be enqueued"
    if standing.troubled:
        level = Level.worst([level, Level.DEGRADED])
        line = f"{line}; {standing.troubled} can't be, {standing.job} first: see the log"
    seconds = round(waited.total_seconds(), 1)
    return Part(name="outbox", level=level, measured=seconds, unit="s", line=line)


async def dead_letters(client: Client, limits: Thresholds) -> Part:
    """So many that nobody looks through them are nobody's, and take Redis's memory."""
    count = await DeadLetters(client).count()
    return Part(
        name="dead letters",
        level=Level.DEGRADED if count >= limits.dead_letters else Level.HEALTHY,
        measured=count,
        line=f"{count}; `steward dead groups` tells of what" if count else "none",
    )


async def effects(database: Database) -> Part:
    """What was begun before a crash, and nobody can tell whether it happened."""
    count = await Effects(database).count_in_doubt()
    line = f"{count} in doubt: see `steward effects`" if count else "none in doubt"
    level = Level.DEGRADED if count else Level.HEALTHY
    return Part(name="effects", level=level, measured=count, line=line)


def _waits(waited: timedelta, limits: Thresholds) -> Level:
    return graded(
        waited.total_seconds(),
        degraded=limits.wait.total_seconds(),
        unhealthy=limits.stuck.total_seconds(),
    )

"""The AI jobs: a reminder is told, an event announced, an old log gone, the house probed."""

from sqlalchemy import select

from app.engine import days, hours, minutes
from app.storage.notifications import Notice, Notices
from app.storage.probes import ProbeRow
from app.storage.task import Occurrence
from app.storage.task_log import TaskEnding, TaskLogged, log_occurrence
from app.storage.ways import Channel
from tests.life.proofs.scene import Proof, Scene
from tests.services.ics.texts import calendar, event

PLANTS, STRETCH = "water the plants", "stretch"


async def leave_reminder(scene: Scene) -> None:
    await scene.day.services.tasks.create_reminder(
        scene.owner,
        PLANTS,
        scene.begins + minutes(90),
        channels=(Channel.IN_APP, Channel.EMAIL),
    )


async def is_reminded(scene: Scene) -> bool:
    told = [each.title for each in await notices(scene)]
    subjects = [str(mail.message["Subject"]) for mail in scene.town.outgoing.mails]
    return told.count(PLANTS) == 1 and sum(PLANTS in each for each in subjects) == 1


async def leave_event(scene: Scene) -> None:
    starts = scene.begins + hours(3)
    lines = (f"DTSTART:{starts:%Y%m%dT%H%M%SZ}", "SUMMARY:Dentist", "LOCATION:Main St. 1")
    await scene.town.calendars.put(
        "work", "tooth.ics", calendar("PRODID:x", event("tooth", *lines))
    )


async def is_announced(scene: Scene) -> bool:
    soon = [each for each in await notices(scene) if each.title == "Soon: Dentist"]
    return len(soon) == 1 and "Where: Main St. 1" in soon[0].body


async def leave_logs(scene: Scene) -> None:
    weekly = await scene.day.services.tasks.create_periodic_task(
        scene.owner, STRETCH, "weekly", {"weekdays": [2]}
    )
    async with scene.database.write() as session:
        for ago in (days(32), days(2)):
            ended = scene.begins - ago
            line = TaskLogged(ending=TaskEnding.EXECUTED, ended_at=ended, method="rules")
            await log_occurrence(session, Occurrence.of(weekly.task.id, ended), line)


async def has_young_logs_alone(scene: Scene) -> bool:
    tasks = scene.day.services.tasks
    (task,) = [each for each in await tasks.of(scene.owner.id) if each.title == STRETCH]
    lines = await tasks.log.of(scene.owner.id, task.id)
    return [each.ended_at for each in lines] == [scene.begins - days(2)]


async def leave_nothing(_scene: Scene) -> None:
    """A probe needs nothing but the house."""


async def is_probed(scene: Scene) -> bool:
    async with scene.database.read() as session:
        probed = await session.scalar(select(ProbeRow.at))
    return probed is not None and scene.day.clock.now() - probed < hours(1)


async def notices(scene: Scene) -> tuple[Notice, ...]:
    """All that the owner was told in the application."""
    return await Notices(scene.database).of(scene.owner.id, limit=1_000)


PROOFS = {
    "ai.process_due_tasks": Proof(leave_reminder, is_reminded),
    "ai.evaluate_events": Proof(leave_event, is_announced),
    "ai.cleanup_old_logs": Proof(leave_logs, has_young_logs_alone),
    "ai.probe_scheduler": Proof(leave_nothing, is_probed),
}

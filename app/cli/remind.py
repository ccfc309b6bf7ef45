"""`steward remind`: a reminder, or a task that recurs, in the user's own words."""

from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from cyclopts import App, Parameter

from app.cli.answer import Facts, show_json, shown
from app.cli.channels import channels_named
from app.cli.failures import Misused
from app.cli.options import Json, User
from app.cli.person import person

if TYPE_CHECKING:
    from app.context import Services
    from app.storage.users import User as Person
    from app.storage.ways import Channel

remind = App(name="remind")

By = Annotated[
    str,
    Parameter(help="Where it is told, with commas between: in_app, email, sms, slack, webhook."),
]


@remind.default
async def remind_user(
    *words: Annotated[str, Parameter(help='Such as "tomorrow at 9 to call Ann".')],
    by: By = "in_app",
    user: User = None,
    json: Json = False,
) -> None:
    """Remind you of something, once or again and again."""
    if not words:
        raise Misused('say what and when, such as "tomorrow at 9 to call Ann"')
    channels = channels_named(by, option="--by")
    from app.connection import open_client
    from app.context import open_services
    from app.settings import read_settings

    settings = read_settings()
    async with open_client(settings) as client, open_services(settings, client) as services:
        whose = await person(services, user)
        facts = await make_reminder(services, whose, " ".join(words), channels=channels)
    if json:
        show_json(facts)
    else:
        print(f"{shown(facts['next_run_at'])}: {shown(facts['title'])} (run {facts['run_id']})")


async def make_reminder(
    services: "Services", person: "Person", phrase: str, *, channels: "tuple[Channel, ...]"
) -> Facts:
    """Store what the phrase asks for and enqueue its first run.

    Raises `Misused` for a phrase that names no time, or a time gone by.
    """
    from app.jobs.ai import enqueue_next
    from app.services.bad_field import BadField
    from app.services.phrases import NotUnderstood, understand
    from app.services.recurrence import Once
    from app.services.schedule_config import written

    now = services.client.store.clock.now()
    try:
        meant = understand(phrase, now=now, zone=ZoneInfo(person.timezone))
        if not meant.text:
            raise Misused(f"say what of, too: “{phrase} to call Ann”")
        if isinstance(meant.schedule, Once):
            at = meant.schedule.at
            created = await services.tasks.create_reminder(
                person, meant.text, at, channels=channels
            )
        else:
            kind, config = written(meant.schedule)
            created = await services.tasks.create_periodic_task(
                person, meant.text, kind, config, channels=channels
            )
    except (NotUnderstood, BadField) as error:
        raise Misused(str(error)) from None
    run_id = await enqueue_next(services.client, services.tasks, created.task)
    return {
        "task_id": created.task.id,
        "title": created.task.title,
        "schedule": created.task.schedule_type.value,
        "next_run_at": created.task.next_run_at,
        "run_id": run_id,
    }

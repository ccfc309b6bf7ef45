"""The stops of the tour: each does something with real input, and looks where it must show.

What is shown is never what a job says of itself, but what is found afterwards: rows of the
database, files in a folder, a dead letter.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from app.cli.answer import span
from app.cli.demo.house import House, NotKept, until
from app.cli.demo.jobs import ask_the_printer
from app.cli.remind import make_reminder
from app.engine import DeadLetter, DeadLetters, UnknownRun, seconds
from app.jobs import ai, email, files, maintenance, sync
from app.services.health_report import Level
from app.services.mail.maildir import Maildir
from app.storage.calendar import Calendars
from app.storage.mailboxes import Mailboxes
from app.storage.notifications import Notice, Notices
from app.storage.ways import Channel

if TYPE_CHECKING:
    from app.services.schedule_config import Config

_SOON = seconds(15)
_WEEKS = 4
_SHOWN = 70  # characters of a result
_MINUTES = """We met Ann in the garden. The roof leaks above the kitchen and must be mended before
winter. Bob knows a roofer and will call her. The roofer can come on Tuesday. There was cake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a stop has shown: the runs that did it, and what is there now."""

    runs: tuple[str, ...]
    effect: str


@dataclass(frozen=True, slots=True)
class Stop:
    """One thing to show."""

    title: str
    play: Callable[[House], Awaitable[Shown]]


async def reminder(house: House) -> Shown:
    """A reminder in words comes true as a notification, on time."""
    asked_at = house.now
    made = await make_reminder(
        house.services, house.owner, "in 3 seconds to call Ann", channels=(Channel.IN_APP,)
    )
    (notice,) = await _notices(house, "call Ann", count=1)
    waited = notice.created_at - asked_at
    if waited < timedelta(seconds=3):
        raise NotKept(f"the reminder came early, after {span(waited)}")
    return Shown(runs=(str(made["run_id"]),), effect=f"notification after {span(waited)}")


async def recurring_task(house: House) -> Shown:
    """A task that recurs is executed by the assistant each time it comes due."""
    every: Config = {"interval_minutes": 2 / 60}
    handle = await house.services.client.enqueue(
        ai.create_periodic_task,
        house.owner.id,
        "Sum up the minutes",
        "custom",
        every,
        ai_context=_MINUTES,
    )
    made = await handle.result(within=_SOON)
    notices = await _notices(house, "Sum up the minutes", count=2)
    task = await house.services.tasks.get(house.owner.id, made.task_id)
    log = await house.services.tasks.log.of(house.owner.id, made.task_id)
    await house.services.tasks.delete(house.owner.id, made.task_id)
    if not task.last_result or made.run_id is None or len(log) < len(notices):
        raise NotKept("the task has no result, or no log of it")
    effect = (
        f"came due {len(notices)} times; five sentences became ({task.last_method}): "
        f"“{_first_line(task.last_result)}”; its log has {len(log)} lines"
    )
    return Shown(runs=(handle.id, made.run_id), effect=effect)


async def mail_out(house: House) -> Shown:
    """A mail is sent: without a server it is a file in the outbox."""
    handle = await house.services.client.enqueue(
        email.send_notification, house.owner.id, "Hello from Steward", "It works."
    )
    sent = await handle.result(within=_SOON)
    found = await _mails(house, "outbox", sent.message_id)
    if found != 1:
        raise NotKept(f"the mail lies {found} times in the outbox")
    return Shown(runs=(handle.id,), effect="1 mail in mail/outbox")


async def mail_in(house: House) -> Shown:
    """A mail that arrives is read into the database, and filed by its kind, with the reason."""
    await run_sync(_put_into_inbox, house)
    synced = await house.services.client.enqueue(sync.sync_email_services)
    await synced.result(within=_SOON)
    (seen,) = await Mailboxes(house.services.database).entries(house.owner.id, "maildir")
    handle = await house.services.client.enqueue(email.process_email_queue)
    await handle.result(within=_SOON)
    waiting, filed = (
        await _mails(house, "inbox", "<tea@shop>"),
        await _mails(house, "receipts", "<tea@shop>"),
    )
    if (waiting, filed) != (0, 1):
        raise NotKept("the mail that arrived was not filed under receipts")
    effect = f"“{seen.subject}” went from mail/inbox to mail/receipts: {seen.reason}"
    return Shown(runs=(synced.id, handle.id), effect=effect)


async def calendar(house: House) -> Shown:
    """A calendar file with a recurring event becomes events in the database."""
    await run_sync(_put_calendar, house)
    handle = await house.services.client.enqueue(sync.sync_calendar_events)
    await handle.result(within=_SOON)
    now = house.now
    found = await Calendars(house.services.database).between(
        house.owner.id, now, now + timedelta(weeks=_WEEKS)
    )
    teas = [each for each in found if each.title == "Tea with Ann"]
    if len(teas) != _WEEKS:
        raise NotKept(f"there are {len(teas)} teas in the next {_WEEKS} weeks")
    return Shown(runs=(handle.id,), effect=f"{len(teas)} teas in the next {_WEEKS} weeks")


async def temp_folder(house: House) -> Shown:
    """Old temporary files go, fresh ones stay."""
    folder = house.home / "tmp"
    fresh = folder / "fresh.txt"
    await run_sync(fresh.write_text, "just written")
    handle = await house.services.client.enqueue(files.cleanup_temp_files)
    await handle.result(within=_SOON)
    left = await run_sync(lambda: sorted(each.name for each in folder.iterdir()))
    if left != [fresh.name]:
        raise NotKept(f"in the temporary folder are {left}")
    return Shown(runs=(handle.id,), effect="3 old files gone, a fresh one kept")


async def failing_job(house: House) -> Shown:
    """A job that fails is tried again, and then lies among the dead letters."""
    handle = await house.services.client.enqueue(ask_the_printer)
    letters = DeadLetters(house.services.client)

    async def look() -> DeadLetter | None:
        try:
            return await letters.get(handle.id)
        except UnknownRun:
            return None

    letter = await until(look, "the failing job is not among the dead letters")
    if len(letter.attempts) != ask_the_printer.retry.attempts:
        raise NotKept(f"the failing job was tried {len(letter.attempts)} times")
    return Shown(runs=(handle.id,), effect=f"dead letter: {letter.last.message}")


async def health(house: House) -> Shown:
    """The health check asks every part of Steward."""
    handle = await house.services.client.enqueue(maintenance.system_health_check)
    report = await handle.result(within=_SOON)
    ours = {"database", "redis", "queues", "workers"}
    ill = [f"{p.name}: {p.line}" for p in report.parts if p.level is Level.UNHEALTHY]
    if any(each.partition(":")[0] in ours for each in ill):
        raise NotKept("; ".join(ill))
    return Shown(runs=(handle.id,), effect=f"{len(report.parts)} parts asked: {report.overall}")


STOPS = (
    Stop('A reminder typed in words: "in 3 seconds to call Ann"', reminder),
    Stop("A task for the assistant, every 2 seconds: sum up the minutes", recurring_task),
    Stop("A mail to send", mail_out),
    Stop("A mail that arrives, to be filed", mail_in),
    Stop("A calendar file: tea with Ann, every week", calendar),
    Stop("A folder of temporary files, to be cleaned", temp_folder),
    Stop("A job that fails each time it is tried", failing_job),
    Stop("A look at Steward's health", health),
)


def _first_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def leave_temporary_files(house: House) -> None:
    """Put files where `temp_folder` finds them later, old by then."""
    folder = house.home / "tmp"
    folder.mkdir(exist_ok=True)
    for number in range(3):
        (folder / f"old-{number}.txt").write_text("written some time ago")


async def _notices(house: House, title: str, *, count: int) -> list[Notice]:
    notices = Notices(house.services.database)

    async def look() -> list[Notice] | None:
        found = [each for each in await notices.of(house.owner.id) if each.title == title]
        return found if len(found) >= count else None

    return await until(look, f"“{title}” was not told {count} times")


async def _mails(house: House, folder: str, message_id: str) -> int:
    """How many mails with this id lie in a folder."""
    maildir = Maildir(house.home / "mail" / folder)

    def count() -> int:
        heads = (maildir.head(name, 10_000) for name in maildir.names())
        return sum(f"Message-ID: {message_id}".encode() in head for head in heads)

    return await run_sync(count)


def _put_into_inbox(house: House) -> None:
    inbox = Maildir(house.home / "mail" / "inbox")
    inbox.make()
    mail = "From: shop@example.com\nMessage-ID: <tea@shop>\nSubject: Your receipt\n\n2 kg of tea.\n"
    (inbox.path / "new" / "1700000000.demo.localhost").write_text(mail)


def _put_calendar(house: House) -> None:
    folder = house.home / "calendar"
    folder.mkdir(exist_ok=True)
    first = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y%m%dT170000Z")
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Steward//Demo//EN",
        "BEGIN:VEVENT",
        "UID:tea@demo",
        f"DTSTAMP:{first}",
        f"DTSTART:{first}",
        "DURATION:PT1H",
        "RRULE:FREQ=WEEKLY",
        "SUMMARY:Tea with Ann",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    (folder / "teas.ics").write_text("\r\n".join((*lines, "")))

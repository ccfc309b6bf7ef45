"""The last stop: a worker process is killed in the middle of a run, and another finishes it."""

from datetime import datetime
from typing import Any

from app.cli.answer import span
from app.cli.demo.house import House, NotKept, until
from app.cli.demo.jobs import write_report
from app.cli.demo.stops import Shown, Stop
from app.engine import RunStatus, UnknownRun, seconds
from app.services.mail.maildir import Maildir

SUBJECT = "The report"


async def crash(house: House) -> Shown:
    """Kill whoever writes the report, as soon as its mail is out."""
    handle = await house.services.client.enqueue(write_report, SUBJECT)
    victim = await until(lambda: _writer(house, handle.id), "nobody took up the report")
    await until(lambda: _mail_is_out(house), "the report's mail did not go out")
    house.workers[victim].kill()
    killed_at = house.now
    house.say(
        f"kill -9 {house.workers[victim].pid}: {victim} is dead, in the middle of {handle.id}"
    )
    await handle.result(within=seconds(20))
    second = await until(lambda: _second_attempt(house, handle.id), "nobody finished the report")
    if second["worker"] in ("", victim):
        raise NotKept("the run was not finished by another worker")
    if (mails := len(_mails(house))) != 1:
        raise NotKept(f"its mail went out {mails} times")
    recovered = datetime.fromisoformat(second["started_at"]) - killed_at
    return Shown(
        runs=(handle.id,), effect=f"recovered after {span(recovered)}; its mail went out once"
    )


async def _writer(house: House, run_id: str) -> str | None:
    """The worker that has the run now, if it is one of ours."""
    try:
        run = await house.services.client.overview.run(run_id)
    except UnknownRun:
        return None
    is_ours = run.status is RunStatus.RUNNING and run.worker in house.workers
    return run.worker if is_ours else None


async def _mail_is_out(house: House) -> bool:
    return bool(_mails(house))


async def _second_attempt(house: House, run_id: str) -> dict[str, Any] | None:
    ended = (each for each in house.attempts if each["id"] == run_id)
    return next((each for each in ended if each["attempt"] > 1), None)


def _mails(house: House) -> list[str]:
    outbox = Maildir(house.home / "mail" / "outbox")
    wanted = f"\r\nSubject: {SUBJECT}\r\n".encode()
    return [name for name in outbox.names() if wanted in outbox.head(name, 10_000)]


CRASH = Stop("A worker killed in the middle of a run", crash)

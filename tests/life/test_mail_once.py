"""A worker killed when the mail server has just taken a mail, and nobody has written that down."""

import json
from dataclasses import dataclass, field
from signal import SIGKILL

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.context import Services
from app.engine import DeadLetters, Handle, RunStatus, seconds
from app.jobs.email import send_notification
from app.jobs.letters import Delivery
from tests.eventually import eventually
from tests.life.home import LEASE, STEWARD, Home
from tests.life.processes import WorkerProcess
from tests.plugins.cases import Case
from tests.services.mail.capture import Capture, smtp_server

LONG = 2 * LEASE + seconds(30)


@dataclass
class Deadly(Capture):
    """Takes a mail, and kills who sent it before it can hear so."""

    victims: list[WorkerProcess] = field(default_factory=list[WorkerProcess])

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take it; the first of the victims dies of it."""
        answer = await super().handle_DATA(server, session, envelope)
        if self.victims:
            self.victims.pop().send(SIGKILL)
        return answer


def worker(home: Home, server: Capture, in_doubt: str) -> WorkerProcess:
    """Steward's own, sending through that server."""
    return home.worker(
        STEWARD,
        STEWARD_MAIL__IN_DOUBT=in_doubt,
        STEWARD_MAIL__SMTP__HOST="127.0.0.1",
        STEWARD_MAIL__SMTP__PORT=str(server.port),
        STEWARD_MAIL__SMTP__SECURITY="none",
    )


async def mailed(home: Home, steward: Services, server: Deadly, in_doubt: str) -> Handle[Delivery]:
    """A run that mails, whose first attempt is killed, and that another worker ends."""
    victim = await worker(home, server, in_doubt).ready(steward.client)
    server.victims.append(victim)
    handle = await steward.client.enqueue(send_notification, 1, "Hi", "once")
    assert await victim.exit_code() == -SIGKILL
    await worker(home, server, in_doubt).ready(steward.client)
    over = {RunStatus.SUCCEEDED, RunStatus.DEAD}

    async def is_over() -> bool:
        return await handle.status() in over

    await eventually(is_over, within=LONG)
    return handle


@pytest.mark.case(60)
async def test_repeated_it_goes_out_once_more_under_the_same_message_id(
    home: Home, steward: Services, case: Case
) -> None:
    server = Deadly()
    async with smtp_server(server):
        handle = await mailed(home, steward, server, "repeat")

        delivery = await handle.result()
        names = [mail.message["Message-ID"] for mail in server.mails]
        case.says(
            "kill -9 between DATA accepted and our commit, in_doubt=repeat",
            steward=f"{len(names) - 1} extra, the same Message-ID",
        )
        assert names == [delivery.message_id] * 2
        assert await steward.effects.count_in_doubt() == 0


@pytest.mark.case(60)
async def test_asked_about_it_waits_for_a_person_and_does_not_go_out_again(
    home: Home, steward: Services, case: Case
) -> None:
    server = Deadly()
    async with smtp_server(server):
        handle = await mailed(home, steward, server, "ask")

        letter = await DeadLetters(steward.client).get(handle.id)
        (listed,) = json.loads(await home.command("effects", "list", "--json"))
        extra = len(server.mails) - 1
        assert "unknown, needs review" in letter.last.message
        assert (listed["id"], listed["job"]) == (handle.id, "email.send_notification")
        assert extra == 0
        (settled,) = json.loads(
            await home.command("effects", "settle", handle.id, "done", "--json")
        )
        replayed = steward.client.run(settled["new_id"])
        delivery: Delivery = await replayed.result(within=LONG)

        case.says(
            "kill -9 between DATA accepted and our commit, in_doubt=ask",
            steward=f"{extra} extra, a dead letter (unknown, needs review); "
            f"settled as done: {len(server.mails) - 1} extra",
        )
        assert delivery.sent
        assert [mail.message["Message-ID"] for mail in server.mails] == [delivery.message_id]
        assert await steward.effects.count_in_doubt() == 0

"""What a notification says of a real mail server that fails, each way of failing in its words."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest
from anyio.abc import SocketAttribute

from app.context import Context
from app.engine import ManualClock, seconds
from app.engine.retry import is_permanent
from app.jobs.email import send_notification
from app.services.mail import Mail, Outbox
from app.services.mail.errors import LoginRefused, MailError, MailRefused, MailTrouble
from app.services.mail.security import Security
from app.services.mail.smtp import SmtpSender
from app.storage.database import Database
from app.storage.outgoing_mail import MailStatus, OutgoingMails
from app.storage.users import User
from tests.services.mail.capture import Capture, smtp_server


@asynccontextmanager
async def served(way: str, address: str) -> AsyncGenerator[tuple[Capture, str]]:
    """A server that fails in this way, and the password that it is given."""
    capture = Capture()
    if way == "away":
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            capture.port = listener.extra(SocketAttribute.local_port)
        yield capture, ""
        return
    capture.answers = ["451 come back later"] if way == "busy" else []
    capture.refused = {address: "550 no such user"} if way == "unknown" else {}
    async with smtp_server(capture, login=way == "login"):
        yield capture, "wrong-canary" if way == "login" else ""


@pytest.mark.parametrize(
    ("way", "kind", "words", "permanent", "status"),
    [
        ("away", MailTrouble, "no answer from", False, MailStatus.PENDING),
        ("busy", MailTrouble, "451 come back later", False, MailStatus.PENDING),
        ("login", LoginRefused, "login refused", True, MailStatus.PENDING),
        ("unknown", MailRefused, "550 no such user", True, MailStatus.REFUSED),
    ],
)
async def test_each_way_a_mail_server_fails_is_told_apart(
    context: Context,
    database: Database,
    clock: ManualClock,
    owner: User,
    mail: Mail,
    way: str,
    kind: type[MailError],
    words: str,
    *,
    permanent: bool,
    status: MailStatus,
) -> None:
    async with served(way, owner.address) as (capture, password):
        sender = SmtpSender(
            address="steward@example.org",
            host="127.0.0.1",
            port=capture.port,
            security=Security.NONE,
            username="ann" if password else "",
            password=password,
            timeout=seconds(5),
        )
        outbox = Outbox(database, sender, now=clock.now)
        with pytest.raises(kind, match=words) as caught:
            await send_notification(
                replace(context, mail=replace(mail, outbox=outbox)), owner.id, "Hi", "Call Bob."
            )

    assert is_permanent(caught.value) is permanent
    assert capture.mails == []
    (kept,) = await OutgoingMails(database).of(owner.id)
    assert (kept.status, kept.accepted_at) == (status, None)
    assert password == "" or password not in str(caught.value)

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.services.mail.errors import (
    LoginRefused,
    MailError,
    MailRefused,
    MailTrouble,
    MailUnanswered,
)
from app.services.mail.message import Message
from app.services.mail.security import Security
from app.services.mail.sender import Receipt
from app.services.mail.smtp import SmtpSender
from app.storage.address import Address
from tests.services.mail.capture import EXPIRED, Capture, smtp_server

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANN, BOB = Address("ann@example.org"), Address("bob@example.org")
HELLO = Message(to=(ANN,), subject="Hi", body="Hello\n.\nbye")


def sender_for(port: int, **changes: Any) -> SmtpSender:
    given: dict[str, Any] = {"security": Security.NONE, "timeout": timedelta(seconds=5), **changes}
    return SmtpSender(address="steward@example.org", host="127.0.0.1", port=port, **given)


async def send(sender: SmtpSender, message: Message = HELLO) -> Receipt:
    return await sender.send(message, message_id="<1@example.org>", date=NOON)


@asynccontextmanager
async def server_that(*lines: bytes, waits: bool = False) -> AsyncGenerator[int]:
    """A server that says these lines, one to each of ours, and then hangs up or falls silent."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            for line in lines:
                await stream.send(line)
                await stream.receive()
            if waits:
                await anyio.sleep_forever()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield listener.extra(SocketAttribute.local_port)
        group.cancel_scope.cancel()


async def test_a_mail_arrives_as_it_was_written(capture: Capture) -> None:
    receipt = await send(sender_for(capture.port))

    (mail,) = capture.mails
    assert (mail.sender, mail.recipients) == ("steward@example.org", (ANN,))
    assert (mail.message["Subject"], mail.message["Message-ID"]) == ("Hi", "<1@example.org>")
    assert mail.body == "Hello\r\n.\r\nbye\r\n"
    assert receipt == Receipt("<1@example.org>", "250 queued")


async def test_a_busy_server_is_trouble_and_takes_the_mail_later(capture: Capture) -> None:
    capture.answers = ["451 come back later"]

    with pytest.raises(MailTrouble, match="asks for patience: 451 come back later"):
        await send(sender_for(capture.port))
    assert capture.mails == []

    await send(sender_for(capture.port))
    assert len(capture.mails) == 1


@pytest.mark.parametrize("answer", ["550 no such user", "554 we don't like it"])
async def test_a_mail_refused_for_good_is_an_error_no_retry_mends(
    capture: Capture, answer: str
) -> None:
    capture.answers = [answer]

    with pytest.raises(MailRefused, match=answer) as caught:
        await send(sender_for(capture.port))

    assert isinstance(caught.value, ValueError)


async def test_one_refused_recipient_refuses_the_mail_for_all(capture: Capture) -> None:
    capture.refused = {BOB: "550 no such user"}

    with pytest.raises(MailRefused, match="550 no such user"):
        await send(sender_for(capture.port), Message(to=(ANN, BOB), subject="Hi", body="Hello"))

    assert capture.mails == []


async def test_a_refused_sender_names_the_setting(capture: Capture) -> None:
    capture.refused = {"steward@example.org": "550 not you"}

    with pytest.raises(
        MailRefused, match="sender refused: 550 not you; check STEWARD_MAIL__SENDER"
    ):
        await send(sender_for(capture.port))


async def test_no_server_is_trouble_that_names_the_settings(unused_port: int) -> None:
    with pytest.raises(MailTrouble) as caught:
        await send(sender_for(unused_port))

    assert isinstance(caught.value, ConnectionError)
    assert str(caught.value) == (
        f"smtp: no answer from 127.0.0.1:{unused_port}; check STEWARD_MAIL__SMTP__HOST, "
        "STEWARD_MAIL__SMTP__PORT and STEWARD_MAIL__SMTP__SECURITY"
    )


@pytest.fixture
async def unused_port() -> int:
    """A port of this machine that nobody listens on."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        return listener.extra(SocketAttribute.local_port)


async def test_a_host_that_can_not_be_one_is_trouble() -> None:
    sender = SmtpSender(address="me@example.org", host="a..b", port=25, security=Security.NONE)

    with pytest.raises(MailTrouble, match=r"no answer from a\.\.b"):
        await sender.check()


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"not smtp at all\r\n"],
        [b"220 hi\r\n"],
        [b"220 hi\r\n", b"250 hi\r\n"],
        [b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n"],
        [b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"],
        [b"421 busy\r\n"],
        [b"220 hi\r\n", b"\xff\xfe\0\r\n"],
    ],
    ids=range(8),
)
async def test_a_server_that_hangs_up_is_trouble_and_never_a_success(lines: list[bytes]) -> None:
    async with server_that(*lines) as port:
        with pytest.raises((MailTrouble, MailUnanswered)):
            await send(sender_for(port))


_UP_TO_DATA = [b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]


@pytest.mark.parametrize("waits", [True, False])
async def test_a_server_that_has_the_mail_and_says_nothing_may_have_taken_it(waits: bool) -> None:
    async with server_that(*_UP_TO_DATA, waits=waits) as port:
        with anyio.fail_after(5), pytest.raises(MailUnanswered, match="whether it takes the mail"):
            await send(sender_for(port, timeout=timedelta(seconds=0.5)))


@pytest.mark.parametrize("answer", [b"200 fine\r\n", b"252 perhaps\r\n", b"OK, thanks\r\n"])
async def test_a_server_that_has_the_mail_and_talks_nonsense_may_have_taken_it(
    answer: bytes,
) -> None:
    async with server_that(*_UP_TO_DATA, answer) as port:
        with pytest.raises(MailUnanswered):
            await send(sender_for(port))


@pytest.mark.parametrize("answer", ["451 later", "554 never"])
async def test_a_server_that_says_no_to_the_mail_has_not_taken_it(
    capture: Capture, answer: str
) -> None:
    capture.answers = [answer]

    with pytest.raises((MailTrouble, MailRefused)):
        await send(sender_for(capture.port))


@pytest.mark.parametrize(
    "lines", [[], [b"220 hi\r\n"], [b"220 hi\r\n", b"250 hi\r\n"]], ids=range(3)
)
async def test_a_silent_server_is_trouble_at_the_deadline(lines: list[bytes]) -> None:
    async with server_that(*lines, waits=True) as port:
        with anyio.fail_after(5), pytest.raises(MailTrouble):
            await send(sender_for(port, timeout=timedelta(milliseconds=200)))


async def test_an_accepted_mail_is_accepted_however_the_server_says_goodbye() -> None:
    lines = (
        b"220 hi\r\n",
        b"250 hi\r\n",
        b"250 ok\r\n",
        b"250 ok\r\n",
        b"354 go\r\n",
        b"250 ok\r\n",
    )
    async with server_that(*lines) as port:
        receipt = await send(sender_for(port))

    assert receipt.detail == "250 ok"


async def test_the_right_login_is_let_in() -> None:
    async with smtp_server(Capture(), login=True) as server:
        sender = sender_for(server.port, username="ann", password="hunter2-canary")

        await send(sender)

        assert len(server.mails) == 1
        assert await sender.check() == (
            f"smtp: 127.0.0.1:{server.port} answers and accepts the login of ann"
        )


async def test_a_wrong_login_names_the_settings_and_no_secret() -> None:
    async with smtp_server(Capture(), login=True) as server:
        with pytest.raises(LoginRefused) as caught:
            await sender_for(server.port, username="ann", password="wrong-canary").check()

    assert isinstance(caught.value, PermissionError)
    assert str(caught.value) == (
        f"smtp: 127.0.0.1:{server.port}: login refused (535); "
        "check STEWARD_MAIL__SMTP__USERNAME and STEWARD_MAIL__SMTP__PASSWORD"
    )
    assert "wrong-canary" not in repr(caught.value.__cause__)


async def test_a_login_that_is_put_off_is_trouble_and_says_no_secret() -> None:
    async with smtp_server(Capture(), login=True) as server:
        with pytest.raises(MailTrouble) as caught:
            await sender_for(server.port, username="busy", password="hunter2-canary").check()

    assert str(caught.value) == "smtp: 127.0.0.1 asks for patience: 454"


async def test_a_server_without_login_names_the_setting(capture: Capture) -> None:
    with pytest.raises(LoginRefused, match=r"offers no login.*SECURITY.*USERNAME empty"):
        await sender_for(capture.port, username="ann", password="x").check()


async def test_a_server_that_wants_a_login_names_the_settings(capture: Capture) -> None:
    capture.refused = {"steward@example.org": "530 authentication required"}

    with pytest.raises(LoginRefused, match="USERNAME and STEWARD_MAIL__SMTP__PASSWORD"):
        await send(sender_for(capture.port))


@pytest.mark.parametrize(("security", "tls"), [(Security.STARTTLS, False), (Security.TLS, True)])
async def test_mail_travels_encrypted(trust: ssl.SSLContext, security: Security, tls: bool) -> None:
    async with smtp_server(Capture(), login=True, starttls=not tls, tls=tls) as server:
        login = {"username": "ann", "password": "hunter2-canary"}
        await send(sender_for(server.port, security=security, trust=trust, **login))

        assert len(server.mails) == 1


@pytest.mark.parametrize(("security", "tls"), [(Security.STARTTLS, False), (Security.TLS, True)])
async def test_a_certificate_nobody_vouches_for_is_refused(security: Security, tls: bool) -> None:
    async with smtp_server(Capture(), starttls=not tls, tls=tls) as server:
        with pytest.raises(
            LoginRefused, match=r"certificate can't be verified: self-signed .*; check .*HOST"
        ):
            await send(sender_for(server.port, security=security))

        assert server.mails == []


async def test_a_certificate_that_has_expired_is_named_as_that() -> None:
    trust = ssl.create_default_context(cafile=str(EXPIRED))
    async with smtp_server(Capture(), starttls=True, shows=EXPIRED) as server:
        with pytest.raises(LoginRefused) as caught:
            await send(sender_for(server.port, security=Security.STARTTLS, trust=trust))

    assert str(caught.value) == (
        f"smtp: 127.0.0.1:{server.port}: its certificate can't be verified: certificate has "
        "expired; check STEWARD_MAIL__SMTP__HOST"
    )


async def test_a_server_that_puts_off_strangers_takes_the_mail_of_the_next_try(
    capture: Capture,
) -> None:
    greylisted = "450 4.2.0 Greylisted, try again in 5 minutes"
    capture.refused = {ANN: greylisted}
    sender = sender_for(capture.port)

    with pytest.raises(MailTrouble) as caught:
        await send(sender)
    capture.refused = {}
    await send(sender)

    assert str(caught.value) == f"smtp: 127.0.0.1 asks for patience: {greylisted}"
    assert len(capture.mails) == 1


async def test_a_server_without_starttls_gets_nothing(capture: Capture) -> None:
    with pytest.raises(
        LoginRefused, match="offers no STARTTLS; check STEWARD_MAIL__SMTP__SECURITY"
    ):
        await send(sender_for(capture.port, security=Security.STARTTLS))

    assert capture.mails == []


async def test_a_check_sends_nothing(capture: Capture) -> None:
    assert await sender_for(capture.port).check() == f"smtp: 127.0.0.1:{capture.port} answers"

    assert capture.mails == []


texts = st.text(max_size=40) | st.lists(
    st.sampled_from(["\r\n", "\n.\n", "\r.\r", "Bcc: eve@x.org", "=?utf-8?q?=0A?=", "é", "x", " "])
).map("".join)
recipients = st.lists(
    st.emails()
    | st.sampled_from([ANN, BOB, "eve@x.org\r\nRCPT TO:<a@b>", "a@b> SIZE=1", "a@b,c@d"]),
    min_size=1,
    max_size=3,
)


@pytest.mark.case(60)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(to=recipients, subject=texts, body=texts)
async def test_the_wire_carries_no_header_or_recipient_that_was_not_given(
    capture: Capture, to: list[str], subject: str, body: str
) -> None:
    capture.mails.clear()
    try:
        message = Message(to=tuple(map(Address, to)), subject=subject, body=body)
        await send(sender_for(capture.port), message)
    except MailError:
        assert capture.mails == []
        return

    (mail,) = capture.mails
    names = [name for name, _ in mail.message.items()]
    assert [each.casefold() for each in mail.recipients] == [each.casefold() for each in to]
    assert (names.count("To"), names.count("Subject"), names.count("From")) == (1, 1, 1)
    assert not {"Bcc", "Cc", "RCPT"} & set(names)
    assert len(names) == 9  # X-Peer and the like would be the server's


async def test_a_mail_with_html_arrives_as_two_ways_to_read_one(capture: Capture) -> None:
    message = replace(HELLO, html="<p>Grüße</p>")

    await send(sender_for(capture.port), message)

    (mail,) = capture.mails
    kinds = [part.get_content_type() for part in mail.message.iter_parts()]
    assert mail.message.get_content_type() == "multipart/alternative"
    assert kinds == ["text/plain", "text/html"]

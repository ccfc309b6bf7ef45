"""A real SMTP server that keeps what it was told on the wire, and answers as a test wishes."""

import ssl
from asyncio import get_running_loop
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

CERTIFICATE = Path(__file__).with_name("localhost.pem")
EXPIRED = Path(__file__).with_name("expired.pem")  # in 2021
LOGIN = LoginPassword(b"ann", b"hunter2-canary")
BUSY = LoginPassword(b"busy", b"hunter2-canary")  # whose login is put off


@dataclass(frozen=True)
class Captured:
    """One mail as the server saw it."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The content, read by the standard library."""
        return message_from_bytes(self.content, policy=default)

    @property
    def body(self) -> str:
        """The text in it."""
        text = self.message.get_payload(decode=True)
        assert isinstance(text, bytes)
        return text.decode()


@dataclass
class Capture:
    """Keeps mail; `answers` are given, one a mail, in place of an acceptance."""

    answers: list[str] = field(default_factory=list[str])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    mails: list[Captured] = field(default_factory=list[Captured])
    port: int = 0
    logins: list[str] = field(default_factory=list[str])
    """Who has tried to log in."""

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if answer := self.refused.get(address):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if answer := self.refused.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        assert envelope.mail_from is not None
        recipients = tuple(envelope.rcpt_tos)
        self.mails.append(Captured(envelope.mail_from, recipients, envelope.content))
        return "250 queued"


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object
) -> AuthResult:
    del session, envelope, mechanism
    assert isinstance(given, LoginPassword)
    assert isinstance(server.event_handler, Capture)
    server.event_handler.logins.append(given.login.decode())
    answer = "454 not now, hunter2-canary" if given == BUSY else None
    return AuthResult(success=given == LOGIN, handled=False, message=answer)


@asynccontextmanager
async def smtp_server(
    capture: Capture,
    *,
    login: bool = False,
    starttls: bool = False,
    tls: bool = False,
    shows: Path = CERTIFICATE,
) -> AsyncGenerator[Capture]:
    """Serve on a free port of this machine, which `capture.port` names."""
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.load_cert_chain(shows)

    def connection() -> SMTP:
        return SMTP(
            capture,
            hostname="test.example",
            loop=get_running_loop(),
            authenticator=_authenticate if login else None,
            auth_require_tls=not login,
            tls_context=certificate if starttls else None,
            require_starttls=starttls,
        )

    server = await get_running_loop().create_server(
        connection, "127.0.0.1", 0, ssl=certificate if tls else None
    )
    capture.port = server.sockets[0].getsockname()[1]
    async with server:
        yield capture

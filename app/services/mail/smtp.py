"""Sends mail through an SMTP server, and says in one line what went wrong and what to change.

    the server                                        we raise
    is away, hangs up, is slow, answers 4xx           MailTrouble    try again later; if that is not
                                                      about one mail alone, with a `retry_after`
    has been given the mail, and says neither yes     MailUnanswered it may have taken it
    nor no: it hangs up, is slow, talks nonsense
    refuses the login, or has no TLS where wanted     LoginRefused   change the settings
    answers 5xx to the sender, a recipient, the mail  MailRefused    never again

A mail goes to all its recipients or to none: each is offered to the server before the mail is.
"""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import anyio
from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from app.services.mail.errors import (
    LoginRefused,
    MailError,
    MailRefused,
    MailTrouble,
    MailUnanswered,
)
from app.services.mail.message import Message, is_control
from app.services.mail.security import Security, distrusted
from app.services.mail.sender import Receipt
from app.storage.address import Address, domain_of, parse_address

_SETTING = "STEWARD_MAIL__SMTP__"
_WHERE = f"check {_SETTING}HOST, {_SETTING}PORT and {_SETTING}SECURITY"
_WHO = f"check {_SETTING}USERNAME and {_SETTING}PASSWORD"
_LOGIN_WANTED = frozenset({530, 534, 535, 538})  # RFC 4954: 5xx about the login, not the mail
_WAYS = ("plain", "login", "cram-md5")  # the last shows no password to who listens, so on a bare
# line it comes first; but servers offer it without being able to, so over TLS it comes last
_OTHER_WAY = frozenset({500, 502, 504, 534, 538})  # about how we log in, not about who we are
_REFUSING, _PERMANENT = 400, 500
_CLOSING = 421  # whatever it was asked: it has no time for us
_REST = timedelta(minutes=5)  # no answer of SMTP says how long to wait
_LONGEST_ANSWER = 200


class SmtpSender:
    """Sends each mail over a connection of its own."""

    def __init__(
        self,
        *,
        address: str,
        host: str,
        port: int,
        username: str = "",
        password: str = "",
        security: Security = Security.STARTTLS,
        timeout: timedelta = timedelta(seconds=30),
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._address = parse_address(address)
        self._host, self._port = host, port
        self._username, self._password = username, password
        self._security = security
        self._timeout = timeout.total_seconds()
        self._trust = trust

    @property
    def address(self) -> Address:
        """Whose name the mail goes out under."""
        return self._address

    @property
    def plan(self) -> str:
        """Where it will connect, and as whom."""
        login = f", log in as {self._username}" if self._username else ", without a login"
        where = f"{self._host}:{self._port} with security {self._security}"
        return f"outgoing mail: connect to {where}{login}"

    @property
    def kept_in(self) -> str:
        """Nowhere: a server takes it."""
        return ""

    async def send(self, message: Message, *, message_id: str, date: datetime) -> Receipt:
        """Return once the server has accepted the mail for all its recipients."""
        content = message.as_bytes(sender=self._address, message_id=message_id, date=date)
        is_given = False
        try:
            async with self._conversation() as server:
                await server.mail(self._address)
                for each in message.to:
                    await server.rcpt(parse_address(each))
                is_given = True
                answer = await server.data(content)
        except MailTrouble as error:
            if is_given and not _says_no(error.__cause__):
                said = f"smtp: {self._host} has not said whether it takes the mail"
                raise MailUnanswered(said) from error
            raise
        return Receipt(message_id, _printable(f"{answer.code} {answer.message}"))

    async def check(self) -> str:
        """Connect, log in, and send nothing."""
        async with self._conversation() as server:
            await server.noop()
        login = f" and accepts the login of {self._username}" if self._username else ""
        return f"smtp: {self._host}:{self._port} answers{login}"

    @asynccontextmanager
    async def _conversation(self) -> AsyncGenerator[SMTP]:
        """A server that let us in; what goes wrong inside is raised as a `MailError`."""
        server = self._client()
        try:
            with anyio.fail_after(self._timeout):  # the whole of it, against a server that drips
                await self._enter(server)
                yield server
        except MailError:
            raise
        except (SMTPException, OSError, UnicodeError) as error:
            raise self._meaning(error) from error
        else:
            with suppress(SMTPException, TimeoutError), anyio.fail_after(1):
                await server.quit()  # manners; the mail is accepted already
        finally:
            server.close()

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=domain_of(self._address),  # its default asks DNS, and waits for it
            use_tls=self._security is Security.TLS,
            start_tls=False,
            timeout=self._timeout,
            tls_context=self._trust,
        )

    async def _enter(self, server: SMTP) -> None:
        await server.connect()
        await server.ehlo()
        if self._security is Security.STARTTLS:
            if not server.supports_extension("starttls"):
                raise self._locked_out("the server offers no STARTTLS", f"check {_SETTING}SECURITY")
            await server.starttls()
            await server.ehlo()
        if self._username:
            if not {*_WAYS} & {*server.supported_auth_methods}:
                hint = f"check {_SETTING}SECURITY, or leave {_SETTING}USERNAME empty"
                raise self._locked_out("the server offers no login on this connection", hint)
            await self._log_in(server)

    async def _log_in(self, server: SMTP) -> None:
        """Show the password once: providers count each refusal, and lock accounts for few."""
        ways = (server.auth_plain, server.auth_login, server.auth_crammd5)
        known = dict(zip(_WAYS, ways, strict=True))
        order = _WAYS if self._security is not Security.NONE else _WAYS[::-1]
        offered = [known[each] for each in order if each in server.supported_auth_methods]
        for number, log_in in enumerate(offered, 1):
            try:
                await log_in(self._username, self._password)
            except SMTPAuthenticationError as error:
                if error.code not in _OTHER_WAY or number == len(offered):
                    raise
            else:
                return

    def _meaning(self, error: SMTPException | OSError | UnicodeError) -> MailError:
        if distrust := _distrust(error):
            return self._locked_out(distrusted(distrust), f"check {_SETTING}HOST")
        if not isinstance(error, SMTPResponseException):
            return MailTrouble(f"smtp: no answer from {self._host}:{self._port}; {_WHERE}")
        if error.code in _LOGIN_WANTED:
            return self._locked_out(f"login refused ({error.code})", _WHO)
        answer = _answer(error)
        if error.code < _PERMANENT:
            rest = None if _is_about_one_mail(error) else _REST
            said = f"smtp: {self._host} asks for patience: {answer}"
            return MailTrouble(said, retry_after=rest)
        if isinstance(error, SMTPSenderRefused):
            return MailRefused(f"smtp: sender refused: {answer}; check STEWARD_MAIL__SENDER")
        return MailRefused(f"smtp: refused: {answer}")

    def _locked_out(self, what: str, hint: str) -> LoginRefused:
        return LoginRefused(f"smtp: {self._host}:{self._port}: {what}; {hint}")


def _distrust(error: BaseException) -> ssl.SSLCertVerificationError | None:
    for each in (error, error.__cause__):
        if isinstance(each, ssl.SSLCertVerificationError):
            return each
    return None


def _says_no(error: BaseException | None) -> bool:
    """Whether it answered with a refusal: 200 is neither a yes nor that."""
    return isinstance(error, SMTPResponseException) and error.code >= _REFUSING


def _is_about_one_mail(error: SMTPResponseException) -> bool:
    """Whether another mail may be taken all the same."""
    is_later = isinstance(error, SMTPRecipientRefused | SMTPDataError)
    return is_later and error.code != _CLOSING


def _answer(error: SMTPResponseException) -> str:
    """What the server said; about a login only the number, since it may repeat what we sent."""
    if isinstance(error, SMTPAuthenticationError):
        return str(error.code)
    return _printable(f"{error.code} {error.message}")


def _printable(text: str) -> str:
    return "".join(" " if is_control(c) else c for c in text)[:_LONGEST_ANSWER]

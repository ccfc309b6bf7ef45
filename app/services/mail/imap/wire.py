"""A `Client` whose calls run in a thread, each with a deadline, and whose troubles are ours.

    the server                                          we raise
    is away, hangs up, is slow, talks nonsense          MailTrouble   try again later
    refuses the login, has no TLS where wanted,
    has no such folder                                  LoginRefused  change the settings

A thread can't be interrupted, so whoever is tired of waiting cuts the connection, and it ends.
"""

import imaplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from app.services.mail.errors import LoginRefused, MailTrouble
from app.services.mail.imap.account import SETTING, Account
from app.services.mail.message import is_control
from app.services.mail.security import distrusted

if TYPE_CHECKING:
    from app.services.mail.imap.client import Client, Selected
    from app.services.mail.imap.line import Line

T = TypeVar("T")

BROKEN: Final = (  # what IMAPClient and imaplib raise for answers that make no sense, and for none
    imaplib.IMAP4.error,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
)
_WHERE = f"check {SETTING}HOST, {SETTING}PORT and {SETTING}SECURITY"
_WHO = f"check {SETTING}USERNAME and {SETTING}PASSWORD"
_FOLDER = f"check {SETTING}FOLDER"
_LATER = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]")  # RFC 5530: no fault of the login
_LONGEST_ANSWER = 200


class Wire:
    """One conversation with the account's server."""

    def __init__(self, account: Account, client: "Client", line: "Line") -> None:
        self._account = account
        self._client = client
        self._line = line
        self._turn = CapacityLimiter(1)

    async def call(self, act: "Callable[[Client], T]") -> T:
        """Let the client do something. After a `MailTrouble` this conversation is over."""
        client = self._client
        turn = partial(_or_hang_up, client, act)
        return await _in_time(self._account, self._line, self._turn, turn)

    async def select(self, folder: str, *, writes: bool) -> "Selected":
        """Turn to a folder; raises `LoginRefused` when the server refuses it."""

        def select(client: "Client") -> "Selected":
            try:
                return client.select(folder, writes=writes)
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                said = printable(str(error))
                raise LoginRefused(f"imap: no folder {folder!r}: {said}; {_FOLDER}") from error

        return await self.call(select)

    async def close(self) -> None:
        """Say goodbye, briefly, and hang up."""
        with suppress(*BROKEN), anyio.move_on_after(1, shield=True):
            leave = partial(_or_hang_up, self._client, lambda client: client.logout())
            await run_sync(leave, abandon_on_cancel=True, limiter=self._turn)
        self._line.cut()


async def dialled(account: Account) -> Wire:
    """A server that let us in; close it. Raises `LoginRefused` or `MailTrouble`."""
    from app.services.mail.imap.client import Client, security_of
    from app.services.mail.imap.line import Line

    trust, starttls = security_of(account)
    line = Line(timeout=account.timeout.total_seconds(), trust=trust)

    def enter(client: Client) -> Client:
        if starttls is not None:
            if not client.offers("STARTTLS"):
                raise _locked_out(account, "the server offers no STARTTLS", _WHERE)
            client.protect(starttls)
        _login(account, client)
        return client

    def dial() -> Client:
        return _or_hang_up(Client(account, line), enter)

    return Wire(account, await _in_time(account, line, CapacityLimiter(1), dial), line)


def _or_hang_up(client: "Client", act: "Callable[[Client], T]") -> T:
    """Let it act; after an error, close the connection in the thread that used it."""
    try:
        return act(client)
    except BaseException:
        with suppress(*BROKEN):
            client.shutdown()
        raise


def _login(account: Account, client: "Client") -> None:
    if any(map(is_control, account.username + account.password)):
        raise _locked_out(account, "a name or password has no line end or control character", _WHO)
    try:
        client.login(account.username, account.password)
    except imaplib.IMAP4.abort:
        raise
    except (imaplib.IMAP4.error, UnicodeError) as error:
        if any(each in str(error) for each in _LATER):
            raise MailTrouble(f"imap: {account.host} lets nobody in now") from error
        raise _locked_out(account, f"login of {account.username} refused", _WHO) from error


async def _in_time(
    account: Account, line: "Line", turn: CapacityLimiter, act: Callable[[], T]
) -> T:
    line.begin()
    is_done = False
    try:
        with anyio.fail_after(2 * line.timeout):  # the whole of it, against a server that drips
            result = await run_sync(act, abandon_on_cancel=True, limiter=turn)
        is_done = True
        return result
    except (LoginRefused, MailTrouble):
        raise
    except BROKEN as error:
        raise _meaning(account, error) from error
    finally:
        if not is_done:
            line.cut()


def _meaning(account: Account, error: Exception) -> LoginRefused | MailTrouble:
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = f"check {SETTING}HOST"
        return _locked_out(account, distrusted(error), hint)
    if isinstance(error, OSError):
        return MailTrouble(f"imap: no answer from {account.address}; {_WHERE}")
    said = printable(str(error)) or type(error).__name__
    return MailTrouble(f"imap: {account.host} can't be understood: {said}")


def _locked_out(account: Account, what: str, hint: str) -> LoginRefused:
    return LoginRefused(f"imap: {account.address}: {what}; {hint}")


def printable(text: str) -> str:
    """What a server said, on one line of bounded length."""
    return "".join(" " if is_control(each) else each for each in text)[:_LONGEST_ANSWER]

"""A real IMAP server, Dovecot, in a folder of its own and with no more rights than it needs."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from grp import getgrgid
from pathlib import Path
from pwd import getpwnam, getpwuid
from secrets import randbelow, token_hex
from time import monotonic, sleep
from typing import TypeVar, cast

import pytest
from imapclient import IMAPClient

from app.services.mail.imap import Account
from app.services.mail.security import Security

T = TypeVar("T")

PASSWORD = "hunter2-canary"
CERTIFICATE = Path(__file__).parent / "services/mail/localhost.pem"

_PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_PATIENCE = 10.0  # s
_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = {ssl}
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/cert.pem
disable_plaintext_auth = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_vsz_limit = 0
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 0
mail_location = maildir:{folder}/mail/%u
mail_fsync = never
auth_failure_delay = 0
{capability}
{more}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%u
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """The server while it runs; every name may log in, with the same password."""

    folder: Path
    port: int
    tls_port: int

    def account(self, username: str = "", *, security: Security = Security.NONE) -> Account:
        """An account of its own, empty until somebody logs in."""
        return Account(
            host="localhost",
            port=self.tls_port if security is Security.TLS else self.port,
            username=username or f"ann-{token_hex(4)}",
            password=PASSWORD,
            security=security,
        )

    @contextmanager
    def mailbox(self, account: Account) -> Generator[IMAPClient]:
        """The account's folder as the user's own mail program has it."""
        with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=10) as client:
            client.login(account.username, PASSWORD)
            client.select_folder(account.folder)
            yield client

    def put(self, account: Account, *mails: bytes) -> None:
        """Deliver mails."""
        with self.mailbox(account) as client:
            for mail in mails:
                client.append(account.folder, mail)

    def holds(self, account: Account, folder: str) -> int:
        """How many mails lie in a folder; none where there is no such folder."""
        with self.mailbox(account) as client:
            if not client.folder_exists(folder):
                return 0
            said = cast("dict[bytes, int]", client.folder_status(folder, ["MESSAGES"]))
            return said[b"MESSAGES"]

    def flags(self, account: Account, uid: int) -> tuple[bytes, ...]:
        """The flags of a mail."""
        with self.mailbox(account) as client:
            return cast("dict[int, tuple[bytes, ...]]", client.get_flags([uid]))[uid]

    def where(self, account: Account) -> dict[str, int]:
        """How many mails lie in the inbox, and in each of Steward's folders."""
        with self.mailbox(account) as client:
            listed = cast("list[tuple[object, bytes, str]]", client.list_folders("", "Steward.*"))
        ours = {name.removeprefix("Steward."): self.holds(account, name) for _, _, name in listed}
        return {"": self.holds(account, "INBOX")} | ours

    def number_anew(self, account: Account) -> None:
        """Forget which UID each mail has: UIDVALIDITY becomes another."""
        home = self.folder / "mail" / account.username
        for each in home.glob("dovecot*"):
            each.unlink()
        numbers = home / "dovecot-uidlist"
        numbers.write_text(f"3 V{randbelow(2**31) + 1} N1 G{token_hex(16)}\n")
        os.chown(numbers, home.stat().st_uid, home.stat().st_gid)


@contextmanager
def dovecot(
    *, offers: str = "", tls: bool = False, more: str = "", shows: Path = CERTIFICATE
) -> Generator[Dovecot]:
    """Run it on free ports of this machine; `offers` is all that it says it can do.

    `more` is appended to its settings.
    """
    if _PROGRAM is None:
        pytest.skip("needs Dovecot: apt-get install dovecot-imapd")
    uid, gid = _somebody()
    folder = Path(tempfile.mkdtemp(prefix="steward-dovecot-"))
    server = Dovecot(folder, _free_port(), _free_port())
    shutil.copy(shows, folder / "cert.pem")
    config = _CONFIG.format(
        folder=folder,
        ssl="yes" if tls else "no",
        user=getpwuid(uid).pw_name,
        group=getgrgid(gid).gr_name,
        capability=f"imap_capability = {offers}" if offers else "",
        port=server.port,
        tls_port=server.tls_port if tls else 0,
        password=PASSWORD,
        more=more,
    )
    (folder / "dovecot.conf").write_text(config)
    for each in (folder, *folder.iterdir()):
        os.chown(each, uid, gid)
    is_root = os.getuid() == 0
    process = subprocess.Popen(
        [_PROGRAM, "-F", "-c", str(folder / "dovecot.conf")],
        start_new_session=True,
        user=uid if is_root else None,
        group=gid if is_root else None,
        extra_groups=[] if is_root else None,
    )
    try:
        _until(partial(_greets, server.port), folder / "log")
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def _somebody() -> tuple[int, int]:
    """Whom it runs as: nobody, when root starts it."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    nobody = getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _greets(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.settimeout(5)
        return line.recv(4) == b"* OK"


def _until(look: Callable[[], bool], log: Path) -> None:
    end = monotonic() + _PATIENCE
    while monotonic() < end:
        with suppress(OSError):
            if look():
                return
        sleep(0.02)
    raise AssertionError(f"Dovecot does not answer: {log.read_text() if log.exists() else ''}")

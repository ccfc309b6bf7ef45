"""Moves a mail into another folder, once, with whatever the server can do. All of this blocks.

With MOVE the server does it in one step. Without, the mail is copied and then deleted, and a crash
in between leaves it in both places. So before it is copied, the other folder is searched for a mail
of the same size, arrival and beginning: that is the copy, and only the deleting is left to do.
"""

import imaplib

from imapclient.exceptions import ProtocolError

from app.services.mail.imap.client import DELETED, Client, Slip
from app.services.mail.letter import HEAD


class Mover:
    """Moves mails out of the folder that is selected."""

    def __init__(self, client: Client, source: str) -> None:
        self._client = client
        self._source = source
        self._beginning, self._between = client.prefix()
        self._there: set[str] = set()

    def folder(self, *parts: str) -> str:
        """The full name of one of our folders on this server."""
        return self._beginning + self._between.join(parts)

    def move(self, uid: int, folder: str) -> str:
        """Move a mail there; one that is gone is no error.

        Returns what the server says if it refuses that, as when a quota is reached. The mail is
        where it was then, and the conversation goes on.
        """
        try:
            self._move(uid, folder)
        except (imaplib.IMAP4.abort, ProtocolError):  # a cut line, or nonsense
            raise
        except imaplib.IMAP4.error as error:
            return str(error) or "it says no"
        return ""

    def _move(self, uid: int, folder: str) -> None:
        self._ensure(folder)
        if self._client.offers("MOVE"):
            self._client.move([uid], folder)
            return
        slip = self._client.slip(uid)
        if slip is None or DELETED in slip.flags:
            return
        if not self._is_copied(slip, folder):
            self._client.copy([uid], folder)
        self._delete(uid)

    def _ensure(self, folder: str) -> None:
        if folder in self._there:
            return
        if not self._client.has(folder):
            self._client.create_folder(folder)
            self._client.subscribe_folder(folder)  # or mail programs don't show it
        self._there.add(folder)

    def _is_copied(self, slip: Slip, folder: str) -> bool:
        ours = self._client.heads([slip.uid], HEAD).get(slip.uid)
        self._client.select(folder, writes=False)
        try:
            alike = [
                uid for uid in self._client.of_size(slip.size) if self._arrived_with(uid, slip)
            ]
            return any(self._client.heads([uid], HEAD).get(uid) == ours for uid in alike)
        finally:
            self._client.select(self._source, writes=True)

    def _arrived_with(self, uid: int, slip: Slip) -> bool:
        found = self._client.slip(uid)
        return found is not None and found.arrived_at == slip.arrived_at

    def _delete(self, uid: int) -> None:
        self._client.add_flags([uid], [DELETED], silent=True)
        if self._client.offers("UIDPLUS"):
            self._client.uid_expunge([uid])
        elif self._client.deleted() == [uid]:  # or others' mail would go for good
            self._client.expunge()

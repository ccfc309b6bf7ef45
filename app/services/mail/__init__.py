"""Mail, out and in.

    mail.py      Mail: an outbox, and mailboxes       guide.py  leads to the first real account
    outbox.py    Outbox: sends each mail once for its key, over a MailSender
    mailbox.py   Mailbox: where mail comes in
    sync.py      MailSync: keeps the database in step with mailboxes   synced.py  what that did
    filing.py    files what lies in mailboxes: a Sorter for each, by the rules in rules.py
    refused.py   Refused: the mails that their folders did not take
    message.py   Message: a mail we write      letter.py   Letter: a mail that came in
    local.py     both directions in Maildirs, the default      maildir.py   one such folder
    smtp.py      out through a server                          memory.py    both, for tests
    imap/        in from an account
    resting.py   both, of an account that is left alone while it refuses us or asks for it

Out: a `Message` refuses what could forge a header, the `Outbox` writes its row, the `MailSender`
returns only when a server or folder has taken it, and the row says so. In: a `Letter` is read from
the header alone, the first rule that fits names its folder, and what can't be read is set aside.
"""

from app.services.mail.errors import (
    AccountRests,
    BadLetter,
    FolderRefused,
    LetterGone,
    LoginRefused,
    MailError,
    MailInDoubt,
    MailRefused,
    MailTrouble,
    MailUnanswered,
)
from app.services.mail.letter import Letter
from app.services.mail.mail import Mail
from app.services.mail.mailbox import Mailbox
from app.services.mail.message import Message
from app.services.mail.outbox import Once, Outbox
from app.services.mail.rules import Category
from app.services.mail.sender import MailSender, Receipt

__all__ = [
    "AccountRests",
    "BadLetter",
    "Category",
    "FolderRefused",
    "Letter",
    "LetterGone",
    "LoginRefused",
    "Mail",
    "MailError",
    "MailInDoubt",
    "MailRefused",
    "MailSender",
    "MailTrouble",
    "MailUnanswered",
    "Mailbox",
    "Message",
    "Once",
    "Outbox",
    "Receipt",
]

"""An IMAP account: what lies in one of its folders, and moving that into others.

account.py      Account: where it is, who we are there, how the line is protected
line.py         Line: what comes over one connection, and how much of it is taken
client.py       Client: the few commands that are needed, each blocking
wire.py         Wire: a Client whose calls run in a thread, each with a deadline
mover.py        moves a mail into another folder, once, with whatever the server can do
mailbox.py      ImapMailbox: a Mailbox over all that

Nothing that a server says is believed: a mail's size, the length of an answer, how long it takes.
"""

from app.services.mail.imap.account import Account
from app.services.mail.imap.mailbox import ImapMailbox

__all__ = ["Account", "ImapMailbox"]

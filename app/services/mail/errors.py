"""What can go wrong with mail.

    MailError
    ├── MailRefused    (ValueError)       this mail can't be sent, now or later
    ├── LoginRefused   (PermissionError)  the server doesn't accept who we say we are
    ├── ServerTrouble  (ConnectionError)  the server is away or busy: try again later
    └── BadLetter      (ValueError)       what came in can't be read as a mail

Their messages name servers and addresses, never a password, a subject or a body.
"""


class MailError(Exception):
    """Base of everything that goes wrong with mail."""


class MailRefused(MailError, ValueError):
    """This mail can't be sent, now or later."""


class LoginRefused(MailError, PermissionError):
    """The mail server refused our login."""


class ServerTrouble(MailError, ConnectionError):
    """The mail server did not answer, or asked for patience."""


class BadLetter(MailError, ValueError):
    """This can't be read as a mail."""

"""What can go wrong with mail.

    MailError
    ├── MailRefused   (ValueError)       this mail can't be sent, now or later
    ├── LoginRefused  (PermissionError)  the server doesn't let us in, or not in the way we ask for
    ├── MailTrouble   (ConnectionError)  the server or folder is away or busy: try again later
    │   └── AccountRests                 it is left alone, since it refused us or asked for it
    ├── MailUnanswered (ConnectionError) it has the mail, and did not say whether it takes it
    ├── FolderRefused (OSError)          the folder does not take this mail now: a quota, perhaps
    ├── MailInDoubt   (ValueError)       nobody can tell whether it was sent: a person has to
    ├── BadLetter     (ValueError)       what came in can't be read as a mail
    └── LetterGone    (LookupError)      it is not in the mailbox any more

Their messages name servers and addresses, never a password, a subject or a body.
"""

from datetime import timedelta


class MailError(Exception):
    """Base of everything that goes wrong with mail."""


class MailRefused(MailError, ValueError):
    """This mail can't be sent, now or later."""


class LoginRefused(MailError, PermissionError):
    """The mail server doesn't let us in, or not in the way we ask for."""


class MailTrouble(MailError, ConnectionError):
    """The mail server or folder can't be used right now; `retry_after` is what it asks for."""

    def __init__(self, message: str = "", *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AccountRests(MailTrouble):
    """The account is left alone: it refused us, or asked for that; nobody asks it now."""


class MailUnanswered(MailError, ConnectionError):
    """The server was given the mail and did not say whether it takes it: it may have."""


class FolderRefused(MailError, OSError):
    """The folder that a mail belongs into does not take it; the mailbox is well otherwise."""


class MailInDoubt(MailError, ValueError):
    """Nobody can tell whether this mail was sent, and it must not go out twice."""


class BadLetter(MailError, ValueError):
    """This can't be read as a mail."""


class LetterGone(MailError, LookupError):
    """This letter is not in the mailbox any more."""

"""What a sync of mailboxes did, in numbers and in words."""

from dataclasses import dataclass, fields, replace

from app.services.mail.errors import AccountRests, LoginRefused, MailTrouble
from app.storage.sync_history import SyncOutcome

_TOLD = 20  # errors in a result; the rest are counted
_LONGEST = 300  # characters of an error


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSynced:
    """What changed, mail by mail, over all mailboxes."""

    status: SyncOutcome = SyncOutcome.NOT_CONFIGURED
    mailboxes: int = 0
    mailboxes_failed: int = 0
    mailboxes_refused: int = 0
    """Those among the failed that need another setting; time won't mend them."""
    mailboxes_resting: int = 0
    """Those among the failed that nobody asked: they refused us, or asked to be left alone."""
    new: int = 0
    updated: int = 0
    """Mails whose flags are others, as when somebody has read them."""
    deleted: int = 0
    moved: int = 0
    """Mails that are not there any more since Steward has filed them."""
    unchanged: int = 0
    failed: int = 0
    """Mails that can't be read; they are among the new ones, and stored with the reason."""
    duration: float = 0.0
    """Seconds that all of it took."""
    errors: tuple[str, ...] = ()

    def __add__(self, other: "MailSynced") -> "MailSynced":
        summed = {
            each.name: getattr(self, each.name) + getattr(other, each.name)
            for each in fields(self)
            if each.name != "status"
        }
        both = MailSynced(**summed)
        return replace(both, status=both._outcome())

    def _outcome(self) -> SyncOutcome:
        if not self.mailboxes:
            return SyncOutcome.NOT_CONFIGURED
        if self.mailboxes_failed == self.mailboxes:
            return SyncOutcome.FAILED
        if self.mailboxes_failed or self.failed:
            return SyncOutcome.PARTIAL_SUCCESS
        return SyncOutcome.SUCCESS

    def shortened(self) -> "MailSynced":
        """The same with the first errors only, and how many there are beyond."""
        more = len(self.errors) - _TOLD
        if more <= 0:
            return self
        return replace(self, errors=(*self.errors[:_TOLD], f"and {more} more"))

    def raise_if_all_failed(self) -> None:
        """Raise a `MailError` when there are mailboxes and none of them could be read."""
        if self.status is not SyncOutcome.FAILED:
            return
        told = "; ".join(self.shortened().errors)
        if self.mailboxes_refused == self.mailboxes_failed:
            raise LoginRefused(told)
        raise MailTrouble(told)


def unread(name: str, error: Exception) -> MailSynced:
    """The result for a mailbox that could not be read."""
    return MailSynced(
        mailboxes_failed=1,
        mailboxes_refused=int(isinstance(error, LoginRefused)),
        mailboxes_resting=int(isinstance(error, AccountRests)),
        errors=(f"{name}: {error}"[:_LONGEST],),
    )

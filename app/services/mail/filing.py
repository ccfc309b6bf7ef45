"""Files the mail of all mailboxes that are to be sorted; one that fails keeps no other from it."""

import logging
from collections.abc import Sequence

from app.services.mail.errors import AccountRests, MailError
from app.services.mail.mail_sorted import MailSorted, SortStatus
from app.services.mail.mailbox import Mailbox
from app.services.mail.sorter import Sorter
from app.services.notifications import Herald
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.users import User

logger = logging.getLogger(__name__)


async def file_all(
    database: Database,
    mailboxes: Sequence[Mailbox],
    herald: Herald,
    owner: User,
    *,
    now: Now = utc_now,
) -> MailSorted:
    """File what is waiting; safe to repeat. Raises the trouble when no mailbox could be used."""
    total, troubles = MailSorted(), list[MailError | OSError]()
    wanted = [each for each in mailboxes if each.is_sorted]
    for mailbox in wanted:
        try:
            total += await Sorter(database, mailbox, herald, now=now).sort(owner)
        except (MailError, OSError) as error:
            level = logging.DEBUG if isinstance(error, AccountRests) else logging.WARNING
            name = type(error).__name__
            logger.log(level, "The mail in %s was not filed: %s.", mailbox.name, name)
            total += _unused(mailbox.name, error)
            troubles.append(error)
    if troubles and len(troubles) == len(wanted):
        raise troubles[0]
    return total


def _unused(name: str, error: Exception) -> MailSorted:
    return MailSorted(
        status=SortStatus.PARTIAL_SUCCESS,
        mailboxes=1,
        mailboxes_failed=1,
        errors=(f"{name}: {error}",),
    )

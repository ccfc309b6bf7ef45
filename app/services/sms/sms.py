"""Everything the assistant can do with SMS. Without a provider, it says so and does nothing."""

from datetime import timedelta

from app.services.sms.health import WINDOW, SmsHealth, judge
from app.services.sms.outbox import SmsOutbox
from app.services.sms.retries import RoundStatus, SmsRetried, SmsRetries
from app.storage.outgoing_sms import OutgoingSmses


class Sms:
    """SMS to users: out, again, and how they are doing."""

    def __init__(
        self,
        smses: OutgoingSmses,
        *,
        outbox: SmsOutbox | None = None,
        retries: SmsRetries | None = None,
    ) -> None:
        """`outbox` and `retries` are there when there is a provider."""
        self._smses = smses
        self.outbox = outbox
        self._retries = retries

    async def retry(self) -> SmsRetried:
        """Send again what is due, and ask about what was taken. Safe to repeat."""
        if self._retries is None:
            return SmsRetried(status=RoundStatus.NOT_CONFIGURED)
        return await self._retries.process()

    async def unschedule(self, *, older_than: timedelta, dry_run: bool = False) -> int:
        """Send those no more that were tried in vain for so long, or only say how many."""
        return await self._smses.expire(before=self._smses.now() - older_than, dry_run=dry_run)

    async def try_provider(self) -> None:
        """Ask the provider for the account, which costs nothing. Raises `SmsError`."""
        if self.outbox is not None:
            await self.outbox.provider.check()

    async def health(self) -> SmsHealth:
        """How many of the last day's went out; `NOT_CONFIGURED` where no provider is named."""
        counts = await self._smses.count(since=self._smses.now() - WINDOW)
        return judge(counts, is_configured=self.outbox is not None)

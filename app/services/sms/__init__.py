"""SMS, out by a provider over HTTP.

sms.py       Sms: all of it; says so where no provider is configured
outbox.py    SmsOutbox: sends each SMS once for its key, over an SmsProvider
retries.py   SmsRetries: sends again what failed, asks about what was taken
codes.py     which failures are worth another try, and when      health.py   the share that went out
twilio.py    a provider of Twilio's kind                         memory.py   one for tests
"""

from app.services.sms.errors import (
    SmsError,
    SmsMisconfigured,
    SmsRejected,
    SmsTrouble,
    SmsUnanswered,
)
from app.services.sms.health import SmsHealth
from app.services.sms.outbox import SmsOutbox
from app.services.sms.provider import SmsProvider
from app.services.sms.retries import SmsRetried, SmsRetries
from app.services.sms.sms import Sms

__all__ = [
    "Sms",
    "SmsError",
    "SmsHealth",
    "SmsMisconfigured",
    "SmsOutbox",
    "SmsProvider",
    "SmsRejected",
    "SmsRetried",
    "SmsRetries",
    "SmsTrouble",
    "SmsUnanswered",
]

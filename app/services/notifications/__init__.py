"""Notifications: in the application, by mail, by SMS, to Slack and to webhooks.

notifier.py    Notifier: tells a user something on the channels chosen for it
herald.py      Herald: tells what Steward noticed, on the channels that its user chose for that
delivered.py   what became of it on each      texts.py   in the words of each, and how long
parcels.py     what leaves by SMS, to Slack and to webhooks, to its user's own address
posts.py       Slack and webhooks, once for each key     hooks.py   what their answers mean
signature.py   how a webhook is signed
"""

from app.services.notifications.delivered import (
    TOLD_NOW,
    Delivered,
    DeliveryStatus,
    Letter,
    Parcel,
    Told,
)
from app.services.notifications.herald import Herald, Topic
from app.services.notifications.notifier import Notifier
from app.services.notifications.parcels import Parcels
from app.services.notifications.texts import Kind
from app.storage.ways import Channel

__all__ = [
    "TOLD_NOW",
    "Channel",
    "Delivered",
    "DeliveryStatus",
    "Herald",
    "Kind",
    "Letter",
    "Notifier",
    "Parcel",
    "Parcels",
    "Told",
    "Topic",
]

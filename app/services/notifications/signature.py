"""How a webhook shows that it comes from us: the signature of Standard Webhooks.

    webhook-id          the same whenever the same is told again
    webhook-timestamp   seconds; a receiver refuses what is too old, so that nobody repeats it
    webhook-signature   v1,<base64 of HMAC-SHA256 of "id.timestamp.body">, one for each secret

A secret is `whsec_` and the base64 of 24 to 64 bytes. While one is replaced by another there may be
two, with a space between: whoever knows either is satisfied.
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from hashlib import blake2b
from typing import Final

PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a secret


class InvalidSecret(ValueError):
    """Nothing can be signed with this."""


def signed(secret: str, *, key: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that say who it is from; raises `InvalidSecret`, which does not repeat it."""
    message_id = f"msg_{blake2b(key.encode(), digest_size=16).hexdigest()}"
    content = b".".join((message_id.encode(), str(at).encode(), body))
    digests = [hmac.digest(each, content, "sha256") for each in secrets_in(secret)]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{b64encode(each).decode()}" for each in digests),
    }


def secrets_in(secret: str) -> list[bytes]:
    """The keys in it; raises `InvalidSecret` if nothing can be signed with it."""
    found = [_key(each) for each in secret.split()]
    if not found:
        raise InvalidSecret("there is no secret to sign with")
    return found


def _key(secret: str) -> bytes:
    try:
        found = b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not _SHORTEST <= len(found) <= _LONGEST:
        raise InvalidSecret(f"a webhook's secret must be {PREFIX} and the base64 of 24 to 64 bytes")
    return found

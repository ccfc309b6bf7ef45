"""The queues: where they live, how much waits in them, how what waits is signed."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from app.settings.redis_url import parse_redis_url
from app.settings.sections.section import Section
from app.settings.values import Limits, Listed, Span

_SHORTEST_KEY = 32  # characters; as much chance in them as in the 16 bytes of a signature

Risk = Literal["no-persistence", "eviction", "no-authentication", "old-version"]


class Redis(Section):
    """Where the queues live."""

    url: SecretStr | None = Field(
        default=None,
        description="redis://, rediss:// (TLS) or unix:// URL, or redis+sentinel://user:password@"
        "host1:26379,host2:26379/master/0; when empty, Steward runs its own Valkey",
    )
    patience: Span = Field(
        default=timedelta(seconds=2.5),
        description="seconds that an enqueue may take until it is an error",
    )
    accept: Annotated[tuple[Risk, ...], *Listed] = Field(
        default=(),
        description="JSON list of what a server of one's own may lack, where it would be refused: "
        "no-persistence, eviction, no-authentication, old-version",
    )

    @field_validator("url")
    @classmethod
    def _understood(cls, url: SecretStr | None) -> SecretStr | None:
        text = url.get_secret_value() if url else ""
        if not text:
            return None
        parse_redis_url(text)
        return url


class Queues(Section):
    """How much waits in them."""

    room: Annotated[dict[str, int], *Limits] = Field(
        default={},
        description="JSON: how many runs a queue may hold, waiting and running; an enqueue past "
        'that is refused; {"email": 15000}',
    )


class Signing(Section):
    """How payloads are signed, so that nobody who can write to Redis can make Steward act."""

    keys: Annotated[tuple[SecretStr, ...], *Listed] = Field(
        default=(),
        description="JSON list: the key that signs, then older ones still accepted, 32 or more "
        "characters each; when empty, a key is made and kept in the home",
    )

    @field_validator("keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < _SHORTEST_KEY for key in keys):
            raise ValueError("each must have 32 or more characters")
        return keys

"""Whether a server can be trusted with runs: what it says of itself, and what speaks against it.

Each objection has a name, by which whoever runs the server can accept it. Where a server does not
say, nothing is held against it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

OLDEST = (6, 2)
_NEVER_EVICTS = "noeviction"


class Flaw(StrEnum):
    """Why a server may lose runs, or give them to anybody."""

    OLD_VERSION = "old-version"
    EVICTION = "eviction"
    NO_PERSISTENCE = "no-persistence"
    NO_AUTHENTICATION = "no-authentication"


@dataclass(frozen=True, slots=True)
class Objection:
    """A flaw that this server has, and a sentence about it."""

    flaw: Flaw
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What is known of a server; empty or None is what it did not say."""

    version: str = ""
    policy: str = ""
    has_aof: bool | None = None
    is_open_to_others: bool = False
    """Whether it lets in who knows no password, and can be reached from other machines."""

    @classmethod
    def of_info(cls, info: Mapping[str, object], *, is_open_to_others: bool) -> "ServerFacts":
        """From its answer to INFO."""
        has_aof = info.get("aof_enabled")
        return cls(
            version=str(info.get("redis_version", "")),
            policy=str(info.get("maxmemory_policy", "")),
            has_aof=None if has_aof is None else str(has_aof) == "1",
            is_open_to_others=is_open_to_others,
        )


@dataclass(frozen=True, slots=True)
class Fitness:
    """What speaks against a server; `unasked` says why it could not be asked everything."""

    objections: tuple[Objection, ...] = ()
    unasked: str = ""

    def beyond(self, accepted: Collection[str]) -> tuple[Objection, ...]:
        """Those that nobody has accepted."""
        return tuple(each for each in self.objections if each.flaw not in accepted)


def objections_to(facts: ServerFacts) -> Iterator[Objection]:
    """What speaks against a server of which this is known."""
    if _is_older(facts.version):
        said = f"it is version {facts.version}, and the oldest that works is 6.2"
        yield Objection(Flaw.OLD_VERSION, said)
    if facts.policy not in ("", _NEVER_EVICTS):
        said = f"when its memory is full it drops keys (maxmemory-policy {facts.policy}), and runs"
        yield Objection(Flaw.EVICTION, f"{said} with them: set maxmemory-policy noeviction there")
    if facts.has_aof is False:
        said = "it has no append-only file, and forgets runs when it ends: set appendonly yes there"
        yield Objection(Flaw.NO_PERSISTENCE, said)
    if facts.is_open_to_others:
        said = "other machines reach it, and it asks for no password: set requirepass there, and"
        yield Objection(Flaw.NO_AUTHENTICATION, f"{said} write the password into the URL")


def _is_older(version: str) -> bool:
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return major.isdigit() and minor.isdigit() and (int(major), int(minor)) < OLDEST

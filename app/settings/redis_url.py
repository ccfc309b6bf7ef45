"""The address of a Redis, taken apart: what may be written in `STEWARD_REDIS__URL`.

    redis://user:password@host:6379/0
    rediss://user:password@host:6379/0                          with TLS
    unix:///run/redis/redis.sock?db=0
    redis+sentinel://user:password@one,two:26379/mymaster/0     whoever is master now
    rediss+sentinel://...                                       the same, with TLS

What is no letter and no digit in a password is written as %40 and the like. Options follow a `?`:
`protocol=2` where something in front of the server knows no RESP3 (workers then look for work, of
which they are told otherwise); with TLS `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile`, paths of
files, `ssl_cert_reqs=none` and `ssl_check_hostname=false`; with Sentinels that want a password
themselves, `sentinel_username` and `sentinel_password`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_SENTINEL = "+sentinel"
_PORT, _SENTINELS_PORT = 6379, 26379
_TLS_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "ssl_ca_certs": {},
    "ssl_certfile": {},
    "ssl_keyfile": {},
    "ssl_cert_reqs": {"required": True, "none": False},
    "ssl_check_hostname": {"true": True, "false": False},
}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {"protocol": {"2": 2, "3": 3}}
_SENTINEL_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "sentinel_username": {},
    "sentinel_password": {},
}
_DATABASE = "db"
_ESCAPED = "what is no letter and no digit in a password must be written as %23 and the like"

Hosts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """Where a server is, and how to greet it; the options by their names in the URL."""

    hosts: Hosts = ()
    """One server, or the Sentinels of `master`."""
    socket: str = ""
    master: str = ""
    database: int
    username: str | None
    password: str | None
    is_tls: bool
    ssl_ca_certs: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_cert_reqs: bool = True
    ssl_check_hostname: bool = True
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    protocol: int = 3
    """Of RESP; only from 3 on a server says anything unasked."""


def parse_redis_url(text: str) -> RedisUrl:
    """Take it apart; raises `ValueError`, which repeats nothing of what was written."""
    scheme, separator, _ = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError(f"must begin with {', '.join(f'{each}://' for each in _SCHEMES)}")
    parts = _split(text)
    login, _, places = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    where, database = _where(scheme, places, unquote(parts.path))
    return RedisUrl(
        **where,
        database=_number(asked.pop(_DATABASE, database)),
        username=unquote(username) or None,
        password=unquote(password) or None,
        is_tls=scheme.startswith("rediss"),
        **_options(scheme, asked),
    )


def _split(text: str) -> SplitResult:
    """Its parts; a password that would be taken for one of the others is refused."""
    try:
        parts = urlsplit(text)
    except ValueError:  # says what was written
        raise ValueError(_ESCAPED) from None
    if "#" in text or (parts.scheme != "unix" and "@" in parts.path):
        raise ValueError(_ESCAPED)
    return parts


def _where(scheme: str, places: str, path: str) -> tuple[dict[str, Any], str]:
    """The place, and the database if the path says it."""
    if scheme == "unix":
        return {"socket": _whole(path)}, ""
    first, _, rest = path.removeprefix("/").partition("/")
    if scheme.endswith(_SENTINEL):
        return {"hosts": _hosts(places, _SENTINELS_PORT), "master": _named(first)}, rest
    return {"hosts": _one(_hosts(places, _PORT))}, path.removeprefix("/")


def _hosts(places: str, usual: int) -> Hosts:
    return tuple(_host(urlsplit(f"//{place}"), usual) for place in places.split(","))


def _host(place: SplitResult, usual: int) -> tuple[str, int]:
    try:
        port = usual if place.port is None else place.port
    except ValueError:
        port = 0
    if not port:
        raise ValueError("a port must be a number from 1 to 65535")
    return place.hostname or "localhost", port


def _one(hosts: Hosts) -> Hosts:
    if len(hosts) > 1:
        raise ValueError("must name one host; redis+sentinel:// takes several")
    return hosts


def _named(master: str) -> str:
    if not master:
        raise ValueError("must name the master behind the Sentinels: .../mymaster/0")
    return master


def _whole(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must name the socket by its whole path: unix:///...")
    return path


def _number(database: str) -> int:
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError("the database must be a number")
    return int(database or 0)


def _options(scheme: str, asked: Mapping[str, str]) -> dict[str, Any]:
    known = _known(scheme)
    if not asked.keys() <= known.keys():
        raise ValueError(f"{scheme}:// takes these options: {', '.join([_DATABASE, *known])}")
    return {name: _chosen(name, value, known[name]) for name, value in asked.items()}


def _known(scheme: str) -> Mapping[str, Mapping[str, Any]]:
    kinds = (
        (True, _OPTIONS),
        (scheme.startswith("rediss"), _TLS_OPTIONS),
        (scheme.endswith(_SENTINEL), _SENTINEL_OPTIONS),
    )
    return {name: each for takes, kind in kinds if takes for name, each in kind.items()}


def _chosen(name: str, value: str, choices: Mapping[str, Any]) -> Any:
    if choices and value not in choices:
        raise ValueError(f"{name} must be {' or '.join(choices)}")
    return choices.get(value, value)

"""The address of a Redis, as people write it."""

from typing import Any

import pytest
from arq.connections import RedisSettings

from app.connection import redis_at
from app.engine import SentinelSettings
from app.settings import parse_redis_url
from tests.scratch_home import Given

TLS: dict[str, Any] = {"ssl": True, "ssl_check_hostname": True}
READ: list[tuple[str, dict[str, Any]]] = [
    ("redis://", {"host": "localhost", "port": 6379}),
    ("redis://host", {"host": "host"}),
    ("redis://host:7000/3", {"host": "host", "port": 7000, "database": 3}),
    ("redis://host?db=3", {"host": "host", "database": 3}),
    ("redis://host?protocol=2", {"host": "host", "protocol": 2}),
    ("redis://[::1]:7000", {"host": "::1", "port": 7000}),
    ("redis://ann:s%40cret%2F@host", {"host": "host", "username": "ann", "password": "s@cret/"}),
    ("redis://:secret@host", {"host": "host", "password": "secret"}),
    ("unix:///run/a%20b.sock?db=2", {"unix_socket_path": "/run/a b.sock", "database": 2}),
    ("unix://ann:secret@/s", {"unix_socket_path": "/s", "username": "ann", "password": "secret"}),
    ("rediss://host", {"host": "host", **TLS}),
    (
        "rediss://host/1?ssl_ca_certs=/ca&ssl_certfile=/cert&ssl_keyfile=/key",
        {"host": "host", "database": 1, **TLS}
        | {"ssl_ca_certs": "/ca", "ssl_certfile": "/cert", "ssl_keyfile": "/key"},
    ),
    ("rediss://host?ssl_check_hostname=false", {"host": "host", "ssl": True}),
    ("rediss://host?ssl_cert_reqs=none", {"host": "host", "ssl": True, "ssl_cert_reqs": "none"}),
    (
        "redis+sentinel://ann:secret@one:1,two/mine/4",
        {"host": [("one", 1), ("two", 26379)], "sentinel": True, "sentinel_master": "mine"}
        | {"username": "ann", "password": "secret", "database": 4},
    ),
    (
        "rediss+sentinel://one/mine?sentinel_username=bob&sentinel_password=pass%26word",
        {"host": [("one", 26379)], "sentinel": True, "sentinel_master": "mine", **TLS}
        | {"sentinel_username": "bob", "sentinel_password": "pass&word"},
    ),
]


def at(url: str) -> RedisSettings:
    """Where that is."""
    return redis_at(Given.model_validate({"redis": {"url": url}}))


@pytest.mark.parametrize(("url", "expected"), READ, ids=[url for url, _ in READ])
def test_an_address_says_where_and_how(url: str, expected: dict[str, Any]) -> None:
    assert vars(at(url)) == vars(SentinelSettings(**expected))


@pytest.mark.parametrize(
    "url",
    [
        "redis://joe:123#s3cret@host/0",
        "redis://joe:123/s3cret@host/0",
        "redis+sentinel://joe:123/s3cret@host/mine",
        "redis://joe:s3cret\u2105@host/0",
        "unix://joe:s3cret@/run/a#b.sock",
    ],
)
def test_a_password_that_would_be_taken_for_something_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="in a password must be written as %23") as refused:
        parse_redis_url(url)

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("port", ["0", "70000", "abc"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match="a port must be a number from 1 to 65535"):
        parse_redis_url(f"redis://host:{port}")


@pytest.mark.parametrize("url", ["", None])
def test_no_address_is_the_homes_own(url: str | None) -> None:
    assert Given.model_validate({"redis": {"url": url}}).redis.url is None

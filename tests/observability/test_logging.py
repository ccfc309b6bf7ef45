"""Log lines: one an event, harmless, without secrets, and quiet about libraries."""

import io
import json
import logging
from collections.abc import Generator

import pytest

from app.observability.logging import configure_logging

log = logging.getLogger("app.tests")


@pytest.fixture(autouse=True)
def untouched() -> Generator[None]:
    """Logging as pytest has set it up, again."""
    root, ours = logging.getLogger(), logging.getLogger("app")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    logging.captureWarnings(capture=False)


def test_an_event_is_one_line() -> None:
    out = io.StringIO()
    configure_logging("INFO", stream=out)

    log.info("Mail %s\nforged line\x1b[2J", "m1", extra={"run": "r1"})

    (line,) = out.getvalue().splitlines()
    assert line.split(maxsplit=1)[1] == "info     Mail m1 forged line  run=r1"


def test_json_is_one_object_an_event() -> None:
    out = io.StringIO()
    configure_logging("INFO", as_json=True, stream=out)

    log.warning("Mail %s", "m1", extra={"run": "r1"})

    told = json.loads(out.getvalue())
    assert told.pop("timestamp").endswith("Z")
    assert told == {"event": "Mail m1", "level": "warning", "logger": "app.tests", "run": "r1"}


@pytest.mark.parametrize("as_json", [False, True])
def test_no_secret_is_logged(*, as_json: bool) -> None:
    out = io.StringIO()
    configure_logging("DEBUG", as_json=as_json, secrets=["hunter2"], stream=out)

    try:
        raise OSError("redis://ann:other@host refused hunter2")
    except OSError:
        log.exception("Login of %s failed", "hunter2", extra={"url": "https://a:b@host"})

    assert "hunter2" not in out.getvalue()
    assert "other" not in out.getvalue()
    assert "a:b" not in out.getvalue()
    assert "Login of *** failed" in out.getvalue()


def test_a_traceback_is_for_those_who_debug() -> None:
    out = io.StringIO()
    for level in ("INFO", "DEBUG"):
        configure_logging(level, stream=out)
        try:
            raise KeyError("x")
        except KeyError:
            log.exception("It broke")

    brief, *long = out.getvalue().splitlines()
    assert brief.endswith("It broke: KeyError: 'x'")
    assert "Traceback (most recent call last):" in long


def test_libraries_are_heard_from_warnings_on_only() -> None:
    out = io.StringIO()
    configure_logging("DEBUG", stream=out)

    logging.getLogger("aiosqlite").debug("executing INSERT of a mail's body")
    logging.getLogger("httpx2").info("GET https://host/private")
    logging.getLogger("asyncio").warning("slow")
    log.debug("ours")

    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["slow", "ours"]

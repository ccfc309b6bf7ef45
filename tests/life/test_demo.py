"""The tour: everything it promises happens, within a minute, and nothing is left of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from anyio.to_thread import run_sync
from arq.connections import RedisSettings
from sqlalchemy import text

from app.cli.demo.crash import CRASH
from app.cli.demo.house import House, NotKept
from app.cli.demo.stops import Shown, Stop, mail_out
from app.cli.demo.tour import TOUR, play
from app.cli.lifetime import Stopper
from app.storage.database import Database
from tests.postgres import Server
from tests.ways import url_of

ROOT = Path(__file__).parents[2]
_MINUTE = 60


@pytest.fixture
def scratch() -> Generator[Path]:
    """Where the demo makes its home: a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="tour-") as folder:
        yield Path(folder)


def _demo(scratch: Path, *words: str, **variables: str) -> "subprocess.Popen[str]":
    kept = {name: text for name, text in os.environ.items() if not name.startswith("STEWARD_")}
    canary = {"STEWARD_REDIS__URL": "redis://127.0.0.1:1", "STEWARD_MAIL__SMTP__HOST": "127.0.0.1"}
    return subprocess.Popen(
        [sys.executable, "-m", "app", *words],
        cwd=ROOT,
        env={**kept, **canary, **variables, "TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_tour_shows_all_it_promises_within_a_minute(scratch: Path) -> None:
    began = monotonic()
    out, err = _demo(scratch, "start", "--demo", "--json").communicate(timeout=_MINUTE)
    took = monotonic() - began

    told = json.loads(out)
    effects = {each["title"]: each["effect"] for each in told["stops"]}
    attempts = {each["run"]: each["attempts"] for each in told["runs"]}
    print(f"the tour took {took:.0f} s; a killed worker's run: {effects[CRASH.title]}")
    assert err == ""
    assert told["kept"] is True
    assert [*effects] == [each.title for each in TOUR]
    assert effects[CRASH.title].endswith("its mail went out once")
    assert (attempts["demo.write_report"], attempts["demo.ask_the_printer"]) == (2, 3)
    assert [*scratch.iterdir()] == []


@pytest.mark.tier("T2")
@pytest.mark.timeout(180)
async def test_by_url_two_homes_share_a_redis_and_a_postgresql_and_leave_them_empty(
    scratch: Path, redis_settings: RedisSettings, postgres: Server
) -> None:
    redis = {"STEWARD_REDIS__URL": url_of(replace(redis_settings, database=1))}
    async with postgres.empty() as url:
        urls = {**redis, "STEWARD_DATABASE__URL": url}
        words = ("start", "--demo", "--by-url", "--json")
        tour = _demo(scratch, *words, **urls)
        out, err = await run_sync(lambda: tour.communicate(timeout=2 * _MINUTE))

        told = json.loads(out)
        assert ([each for each in told["stops"] if not each["kept"]], err) == ([], "")
        assert [each["title"] for each in told["stops"]] == [each.title for each in TOUR]
        async with Database.open(url) as database, database.read() as session:
            assert await session.scalar(text(TABLES)) == 0
    assert os.listdir(scratch) == []


async def test_a_tour_by_url_touches_nothing_that_is_in_use(
    scratch: Path, redis_settings: RedisSettings, postgres: Server
) -> None:
    redis = {"STEWARD_REDIS__URL": url_of(replace(redis_settings, database=2))}
    async with postgres.database() as url:
        tour = _demo(scratch, "demo", "--by-url", **redis, STEWARD_DATABASE__URL=url)
        _, err = await run_sync(lambda: tour.communicate(timeout=_MINUTE))
        without = _demo(scratch, "demo", "--by-url")
        _, missing = await run_sync(lambda: without.communicate(timeout=_MINUTE))

        async with Database.open(url) as database, database.read() as session:
            assert await session.scalar(text(TABLES)) > 10
    assert (tour.returncode, without.returncode) == (1, 1)
    assert err == "steward: the PostgreSQL has tables: the tour wants an empty database\n"
    assert missing == "steward: --by-url takes STEWARD_REDIS__URL and STEWARD_DATABASE__URL\n"


TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"


@pytest.mark.tier("T2")
async def test_a_promise_that_is_not_kept_is_a_failure_and_the_rest_is_still_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def break_it(_house: House) -> Shown:
        raise NotKept("nothing happened")

    stopper = Stopper()
    await play(stopper, as_json=True, stops=(Stop("broken", break_it), Stop("mail", mail_out)))

    told = json.loads(capsys.readouterr().out)
    assert stopper.code == 1
    assert told["kept"] is False
    assert [(each["title"], each["kept"]) for each in told["stops"]] == [
        ("broken", False),
        ("mail", True),
    ]


def test_a_tour_that_is_interrupted_leaves_nothing(scratch: Path) -> None:
    tour = _demo(scratch, "demo")
    assert tour.stdout
    for line in tour.stdout:
        if line.startswith("2/"):
            break

    tour.send_signal(signal.SIGINT)
    _, err = tour.communicate(timeout=_MINUTE / 2)

    assert (tour.returncode, err) == (130, "")
    assert [*scratch.iterdir()] == []
    assert _processes_in(scratch) == []


def _processes_in(folder: Path) -> list[int]:
    """Whoever still works in the demo's home."""
    import psutil

    found = psutil.process_iter(["pid", "cmdline"])
    return [each.pid for each in found if str(folder) in " ".join(each.info["cmdline"] or ())]

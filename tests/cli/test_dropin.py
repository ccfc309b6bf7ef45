"""`worker their.module.WorkerSettings`: what it refuses, in one line; tests/life runs projects."""

from pathlib import Path

import pytest

from tests.cli.command import Command

PROJECT = """\
import json


async def water(ctx): ...


class Settings:
    functions = [water]
    job_serializer = lambda data: json.dumps(data).encode()
    job_deserializer = json.loads


class Pickled:
    functions = [water]


class Empty:
    functions = []
"""


@pytest.fixture
def garden(steward: Command) -> Command:
    """A folder with an arq project in it."""
    folder = Path(steward.home).parent / "garden"
    folder.mkdir()
    (folder / "jobs.py").write_text(PROJECT)
    return steward


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["garden.nothing.Settings"], "garden.nothing.Settings: No module named 'garden.nothing'"),
        (["garden.jobs.Nothing"], "garden.jobs.Nothing: there is no Nothing in garden.jobs"),
        (["Settings"], "Settings: Empty module name"),
        (["garden.jobs.Pickled"], "job_deserializer is pickle"),
        (["garden.jobs.Pickled"], "or say --i-trust-this-redis"),
        (["garden.jobs.Empty"], "garden.jobs.Empty: there is no function and no cron job"),
        (["garden.jobs.Settings", "--queues", "ai"], "--queues is for Steward's own jobs"),
        (["garden.jobs.Settings", "--concurrency", "3"], "--concurrency is for Steward's own jobs"),
        (["garden.jobs.Pickled", "--processes", "2"], "job_deserializer is pickle"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    garden: Command, words: list[str], said: str
) -> None:
    done = garden("worker", *words)

    assert done.code == 2
    assert said in done.line
    assert not garden.home.exists()  # a project has no use for our Valkey

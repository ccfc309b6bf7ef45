"""`worker their.module.WorkerSettings`: what it refuses, in one line; tests/life runs projects."""

from pathlib import Path
from typing import Any

import pytest

from app.cli.dropin import Told
from app.engine import minutes, seconds
from app.engine.dropin import read_arq_settings
from tests.cli.command import Command
from tests.scratch_home import Given

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


async def water(ctx: dict[Any, Any]) -> None: ...


@pytest.fixture
def garden(steward: Command) -> Command:
    """A folder with an arq project in it."""
    folder = Path(steward.home).parent / "garden"
    folder.mkdir()
    (folder / "jobs.py").write_text(PROJECT)
    (folder / "typo.py").write_text("class Settings\n")
    (folder / "unset.py").write_text("import os\n\nREDIS = os.environ['GARDEN_REDIS']\n")
    return steward


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["garden.nothing.Settings"], "No module named 'garden.nothing'"),
        (["garden.jobs.Nothing"], "garden.jobs.Nothing: there is no Nothing in garden.jobs"),
        (["Settings"], "Settings: write module.Class, as their.module.WorkerSettings"),
        ([".jobs.Settings"], ".jobs.Settings: write module.Class"),
        (["garden..Settings"], "garden..Settings: write module.Class"),
        (["app.worker.WorkerSettings"], "app.worker.WorkerSettings: Steward's own package is"),
        (["garden.typo.Settings"], "garden.typo.Settings: cannot be imported: SyntaxError: "),
        (["garden.unset.Settings"], "cannot be imported: KeyError: 'GARDEN_REDIS'"),
        (["--i-trust-this-redis"], "--i-trust-this-redis is for an arq project"),
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


def test_processes_have_as_long_to_stop_as_the_projects_jobs() -> None:
    told = Told(burst=False, json=False, trusted=True, supervised=False)
    settings = Given.model_validate({"worker": {"grace": 30}})
    hasty, patient = (
        read_arq_settings({"functions": [water], "job_completion_wait": wait})
        for wait in (seconds(1), minutes(5))
    )

    assert told.supervisor("a.Garden", hasty, settings).patience > 30
    assert told.supervisor("a.Garden", patient, settings).patience > 300

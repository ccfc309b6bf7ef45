"""The commands, where the database is a server: they say what they say of a file."""

import json

import pytest

from app.context import Services
from app.storage.runs import Runs
from tests.eventually import eventually
from tests.life.home import Home

on_a_server = pytest.mark.parametrize("home", ["postgresql"], indirect=True)


@pytest.mark.tier("T2")
@on_a_server
async def test_each_command_finds_what_workers_have_done(home: Home, steward: Services) -> None:
    await home.worker().ready(steward.client)

    made = json.loads(await home.command("remind", "in 1 second to call Ann", "--json"))
    await eventually(lambda: _is_recorded(steward, made["run_id"]))
    listed = json.loads(await home.command("runs", "--json"))
    shown = json.loads(await home.command("show", made["run_id"], "--json"))
    doubts = json.loads(await home.command("effects", "--json"))
    letters = json.loads(await home.command("dead", "--json"))

    assert made["run_id"] in {each["id"] for each in listed}
    assert (shown["job"], shown["status"]) == ("ai.run_task", "succeeded")
    assert (doubts, letters) == ([], [])
    assert not (home.path / "steward.db").exists()


async def _is_recorded(steward: Services, run_id: str) -> bool:
    runs = await Runs(steward.database).list(limit=100)
    return any(each.id == run_id and each.is_over for each in runs)

"""`start`: one at a time, a line for each run, and nothing lost when it stops."""

from signal import SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from app.local.lock import Lock
from tests.cli.command import Command
from tests.cli.conftest import READY, started


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_it_stops_in_order_and_says_so(steward: Command, number: Signals) -> None:
    with started(steward) as running:
        code = running.stops(number)

    assert code == 0
    assert any(line.startswith("Stopping: ") for line in running.said)
    assert running.said[-1].startswith("Stopped. 0 runs wait")
    assert not _valkey_lives(steward)


def test_it_shows_where_its_data_is_and_what_to_type_next(steward: Command) -> None:
    with started(steward) as running:
        told = "\n".join(running.said)

    assert f"Steward is running in {steward.home}" in told
    assert f"database   {steward.home}/steward.db" in told
    assert f"calendars  {steward.home}/calendar" in told
    assert (steward.home / "calendar").is_dir()
    assert "scripts/steward remind" in told


def test_a_line_for_each_run_as_it_happens(steward: Command) -> None:
    with started(steward) as running:
        run_id = steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"]

        line = running.says(run_id)

    assert "succeeded" in line
    assert "files.cleanup_temp_files" in line


def test_queued_and_delayed_runs_go_on_after_a_restart(steward: Command) -> None:
    with started(steward) as first:
        reminder = steward("remind", "in 5 seconds to call Ann", "--json").json()["run_id"]
        later = ("enqueue", "email.process_email_queue", "--delay", "5", "--json")
        delayed = steward(*later).json()["id"]
        assert first.stops() == 0
    queued = steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"]

    with started(steward) as second:
        second.said += first.said  # on a machine so slow that they came due before it stopped
        for run_id in (queued, delayed, reminder):
            second.says_once(run_id)

    told = [line for line in second.said if any(each in line for each in (delayed, reminder))]
    assert len(told) == 2
    assert all("succeeded" in line for line in told)


def test_what_was_queued_survives_a_kill(steward: Command) -> None:
    with started(steward) as running:
        later = steward("enqueue", "files.cleanup_temp_files", "--delay", "3", "--json").json()
        running.process.send_signal(SIGKILL)
        running.ends()

    with started(steward) as running:
        line = running.says(later["id"])

    assert "succeeded" in line


def test_a_second_start_is_refused_in_one_line(steward: Command) -> None:
    with started(steward) as running:
        second = steward("start")

    assert second.code == 1
    expected = f"Steward already runs in {steward.home} (process {running.process.pid})"
    assert second.line == f"steward: {expected}"


def test_a_worker_beside_it_is_welcome(steward: Command) -> None:
    with started(steward):
        worker = steward.begin("worker", "--queues", "files,ai")
        worker.says("works on ai, files")
        workers = steward("queues", "--json").json()["workers"]

        assert worker.stops() == 0

    assert ["ai", "files"] in [each["queues"] for each in workers]


def test_ctrl_c_while_it_starts_leaves_nothing_behind(steward: Command) -> None:
    running = steward.begin("start")
    steward.home.mkdir(exist_ok=True)
    while not (steward.home / "start.lock").exists():
        assert running.process.poll() is None

    code = running.stops()

    assert code in (0, 130)
    assert not any("Traceback" in line for line in running.said)
    assert not _valkey_lives(steward)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"STEWARD_HOME": "/proc/nothing"}, "cannot keep data in /proc/nothing"),
        ({"STEWARD_WORKER__LEASE": "soon"}, "STEWARD_WORKER__LEASE: must be a number of seconds"),
        (
            {"STEWARD_REDIS__URL": "redis://:hunter2@127.0.0.1:1"},
            "STEWARD_REDIS__URL says where it is looked for.",
        ),
    ],
    ids=["folder", "setting", "redis"],
)
def test_what_keeps_it_from_starting_is_one_line(
    steward: Command, settings: dict[str, str], line: str
) -> None:
    done = steward("start", **settings)

    assert done.code == 1
    assert line in done.line
    assert "hunter2" not in done.out + done.err


def test_json_is_one_object_a_line(steward: Command) -> None:
    import json

    running = steward.begin("start", "--json")
    running.says('"event": "started"')
    run_id = steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"]
    line = running.says(run_id)
    assert running.stops() == 0

    events = [json.loads(each) for each in running.said if each]
    assert json.loads(line)["ending"] == "succeeded"
    assert [each["event"] for each in events][-1] == "stopped"
    assert READY not in "".join(running.said)


def _valkey_lives(steward: Command) -> bool:
    if not (steward.home / "server.lock").exists():
        return False
    with Lock(steward.home / "server.lock") as lock:
        return not lock.take()


def test_it_keeps_several_processes_alive_if_the_settings_say_so(steward: Command) -> None:
    with started(steward, STEWARD_WORKER__PROCESSES="2") as running:
        for _ in range(2):
            running.says("works on ai")
        (first, second) = steward("queues", "--json").json()["workers"]
        run_id = steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"]
        line = running.says(run_id)
        code = running.stops()

    assert "succeeded" in line
    assert first["pid"] != second["pid"]
    assert running.process.pid not in (first["pid"], second["pid"])
    assert code == 0
    assert any(line.startswith("Stopping: ") for line in running.said)
    assert running.said[-1].startswith("Stopped. 0 runs wait")
    assert not _valkey_lives(steward)

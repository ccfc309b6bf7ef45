"""`worker` and `recorder`: the parts of `start`, each in a process of its own."""

import json

import psutil

from tests.cli.command import Command


def test_a_burst_ends_when_the_queues_are_empty(steward: Command) -> None:
    run_id = steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"]

    done = steward("worker", "--burst")

    assert (done.code, done.err) == (0, "")
    assert f"[{run_id}]" in done.out
    assert steward("runs", "--status", "queued", "--json").json() == []


def test_a_burst_waits_for_deferred_runs_and_says_so(steward: Command) -> None:
    words = ("enqueue", "files.cleanup_temp_files", "--delay", "2", "--json")
    run_id = steward(*words).json()["id"]

    done = steward("worker", "--burst")
    told = steward("worker", "--help", COLUMNS="400").out

    assert f"[{run_id}]" in done.out
    assert "waits for deferred runs" in told


def test_its_help_says_which_settings_are_meant_otherwise(steward: Command) -> None:
    told = steward("worker", "--help", COLUMNS="400").out

    assert "else STEWARD_WORKER__PROCESSES" in told
    assert "else STEWARD_WORKER__CONCURRENCY" in told


def test_a_worker_leaves_other_queues_alone(steward: Command) -> None:
    run_id = steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"]

    steward("worker", "--burst", "--queues", "ai,email")

    (left,) = steward("runs", "--json").json()
    assert (left["id"], left["status"]) == (run_id, "queued")


def test_the_demos_jobs_are_not_among_ours(steward: Command) -> None:
    done = steward("enqueue", "demo.ask_the_printer")

    assert done.code == 2
    assert "no job is called 'demo.ask_the_printer'" in done.line


def test_a_recorder_of_its_own_keeps_the_history(steward: Command) -> None:
    run_id = steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"]
    steward("worker", "--burst", STEWARD_WORKER__RECORDER="false")
    before = steward("runs", "--json").json()

    recorder = steward.begin("recorder")
    try:
        while not (after := steward("runs", "--json").json()):
            assert recorder.process.poll() is None
        code = recorder.stops()
    finally:
        recorder.kill()

    assert before == []
    assert [(each["id"], each["status"]) for each in after] == [(run_id, "succeeded")]
    assert code == 0


def test_several_processes_are_kept_alive_and_stopped_in_order(steward: Command) -> None:
    running = steward.begin(
        "worker", "--processes", "2", "--concurrency", "7", "--queues", "ai,files"
    )
    try:
        running.says("Worker processes kept alive: 2")
        for _ in range(2):
            running.says("works on ai, files")
        workers = steward("queues", "--json").json()["workers"]
        code = running.stops()
    finally:
        running.kill()

    assert [each["queues"] for each in workers] == [["ai", "files"]] * 2
    assert [each["slots"] for each in workers] == [7, 7]
    assert code == 0
    assert not any(psutil.pid_exists(each["pid"]) for each in workers)


def test_a_burst_of_several_processes_ends_when_the_queues_are_empty(steward: Command) -> None:
    run_id = steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"]

    done = steward("worker", "--burst", "--json", STEWARD_WORKER__PROCESSES="2")

    assert done.code == 0
    told = [json.loads(line) for line in done.out.splitlines()]
    assert [each["id"] for each in told if each["event"] == "run"] == [run_id]
    assert [each["processes"] for each in told if each["event"] == "supervising"] == [2]


def test_processes_that_cannot_work_end_a_burst_with_a_failure(steward: Command) -> None:
    nowhere = {"STEWARD_REDIS__URL": "redis://127.0.0.1:1"}

    done = steward("worker", "--burst", "--processes", "2", **nowhere)

    assert done.code == 1
    assert done.err.count("steward: Redis: ") == 2
    assert "works on" not in done.out
    assert "Traceback" not in done.err


def test_one_process_that_is_to_be_replaced_is_supervised_too(steward: Command) -> None:
    run_ids = [
        steward("enqueue", "files.cleanup_temp_files", "--json").json()["id"] for _ in range(3)
    ]

    done = steward(
        "worker", "--burst", STEWARD_WORKER__MAX_RUNS="1", STEWARD_WORKER__CONCURRENCY="1"
    )

    assert done.code == 0
    assert all(done.out.count(f"[{run_id}]") == 1 for run_id in run_ids)
    assert "this worker stops, for a fresh one to go on: it has done 1 runs" in done.err
    assert "has done its part" in done.err

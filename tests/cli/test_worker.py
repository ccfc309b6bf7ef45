"""`worker` and `recorder`: the parts of `start`, each in a process of its own."""

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

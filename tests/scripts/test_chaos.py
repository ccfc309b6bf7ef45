"""scripts/chaos says what came of it, and leaves nothing behind when it is told to stop."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil

from storm import cases, table
from storm.faults import Faults
from storm.plan import Plan
from storm.storm import Passing, Verdict
from tests.life.oracle import Oracle
from tests.life.test_oracle import GOOD
from tests.scripts.bench import bench_environment
from tests.ways import Way

PLAN = Plan(seed=7, runs=3)
FAULTS = Faults(seconds=2.0, kills=3, restarts=3, toxic=2, connections=40, previous=3, started=6)
PASSING = Passing(seconds=12, accepted=3, over=3, faults=FAULTS, samples=5)


def test_the_last_line_tells_it_all() -> None:
    *_, last = _said(Oracle(GOOD))

    assert last == (
        "storm 7: of 3 runs 2 completed, 0 cancelled, 1 dead, 0 lost; 1 re-run, 2 effects;"
        " recovery p50 2.0 s, p99 2.0 s; every promise kept"
    )


def test_a_broken_promise_is_told_with_its_name() -> None:
    *_, breach, nothing, last = _said(Oracle(replace(GOOD, leaked=["arq:retry:x"])))

    assert (breach, nothing) == ("I8: arq:retry:x", "")
    assert last.endswith("1 BREACHES")


def test_a_storm_of_too_few_faults_is_none() -> None:
    calm = replace(PASSING, faults=replace(FAULTS, restarts=0))

    *_, why, nothing, last = _said(Oracle(GOOD), calm)

    assert (why, nothing) == ("too few faults: Redis was killed 0 times, not 3", "")
    assert last.endswith("every promise kept; TOO FEW FAULTS")


def test_ctrl_c_ends_it_and_all_that_it_started(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "storm", "--runs=100000", "--no-cases"]
    with subprocess.Popen(
        command,
        env=bench_environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as chaos:
        assert chaos.stdout
        first = chaos.stdout.readline()
        started = psutil.Process(chaos.pid).children(recursive=True)
        chaos.send_signal(signal.SIGINT)
        _, wrong = chaos.communicate(timeout=50)

    assert "accepted" in first
    assert len(started) >= 1
    assert (chaos.returncode, wrong) == (130, "")
    assert psutil.wait_procs(started, timeout=10)[1] == []
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("storm-")] == []


def test_the_ways_to_a_server_are_one_case() -> None:
    assert cases.said([*Way], []) == (
        "case 26: the T1 tests of the engine and its life by socket, tls, db, resp2, resp3, redis"
        " | arq: not tried | Steward: all pass, and leave no key outside arq:* and steward:*"
    )
    without = cases.said([Way.SOCKET, Way.DATABASE], [Way.DATABASE])
    assert "by socket, db, not here: tls, resp2, resp3, redis |" in without
    assert without.endswith("| Steward: FAILED by db")


def _said(oracle: Oracle, end: Passing = PASSING) -> list[str]:
    verdict = Verdict(plan=PLAN, oracle=oracle, end=end, folder=Path())
    return table.whole(verdict).splitlines()

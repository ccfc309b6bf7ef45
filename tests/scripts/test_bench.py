"""scripts/bench measures everything, sees what is lost or doubled, and leaves nothing behind."""

import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import psutil
import pytest

from benchmark import report, table
from benchmark.sizes import QUICK
from benchmark.workloads import ASIDES, WORKLOADS
from tests.eventually import eventually
from tests.scripts.bench import TOY, bench, bench_command, bench_environment, rows

SERVER_AND_TWO_WORKERS = 3
WITH_TOY = ("--quick", "--adapter", str(TOY))


def start_to_wait(folder: Path) -> subprocess.Popen[bytes]:
    """The benchmark in its longest wait; all that it makes and says is in the folder."""
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(
            bench_command(*WITH_TOY, "--workloads", "W6", "--crash", "100"),
            env=bench_environment(TMPDIR=str(folder)),
            stdout=said,
            stderr=said,
        )


def left(folder: Path) -> dict[str, str]:
    """What lies in the folder."""
    return {each.name: each.read_text() for each in folder.iterdir()}


def lives(process: psutil.Process) -> bool:
    """Whether it has not ended."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.timeout(170)
def test_every_row_of_the_table_is_measured(tmp_path: Path) -> None:
    files = ("--json", str(tmp_path / "all.json"), "--svg", str(tmp_path / "all.svg"))
    small = ("--n", "50", "--running", "0,1", "--crash", "1")

    done = bench(*WITH_TOY, *files, *small)

    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    sizes = report.load(tmp_path / "all.json").sizes
    for workload in WORKLOADS.values():
        for row in workload.rows(sizes):
            assert re.match(r"[\d,.]+$|-$|over 1$|too short", found[row][0]), (row, found[row])
    for aside in ASIDES.values():
        for row in aside.rows:
            assert re.match(r"[\d,.]+$", found[row][0]), (row, found[row])
    assert table.whole(report.load(tmp_path / "all.json")) == done.stdout
    assert ET.parse(tmp_path / "all.svg").getroot().tag.endswith("svg")


@pytest.mark.timeout(120)
def test_ours_and_stock_arq_run_everything_exactly_once() -> None:
    done = bench("--quick", "--n", "40", "--workloads", "W1,W2")

    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert found[""] == ["Steward", "Steward, no results", "arq, tuned", "arq, defaults"]
    assert all(re.match(r"[\d,.]+$", cell) for cell in found["drain, one worker, /s"])


@pytest.mark.parametrize(("variant", "said"), [("loses", "1 lost"), ("doubles", "1 doubled")])
def test_a_run_lost_or_doubled_is_said_in_its_row_and_fails_the_whole(
    variant: str, said: str
) -> None:
    done = bench(*WITH_TOY, "--n", "40", "--workloads", "W2", TOY_VARIANTS=f"honest,{variant}")

    assert done.returncode == 1
    honest, wrong = rows(done.stdout)["drain, one worker, /s"]
    assert re.match(r"[\d,.]+$", honest)
    assert wrong == f"**{said}**"


def test_faults_are_not_published(tmp_path: Path) -> None:
    file = tmp_path / "faulty.json"
    bench(*WITH_TOY, "--workloads", "W1", "--json", str(file), TOY_VARIANTS="honest")
    file.write_text(file.read_text().replace('"faults": {}', '"faults": {"W1": "lost"}'))

    done = bench("--from", str(file), "--publish")

    assert done.returncode == 1
    assert "not published" in done.stderr


def test_an_adapter_that_breaks_fails_its_rows_with_its_own_words(tmp_path: Path) -> None:
    adapter = tmp_path / "broken.py"
    adapter.write_text(
        TOY.read_text().replace("client.rpush(_QUEUE", "client.no_such_thing(_QUEUE")
    )

    done = bench("--quick", "--adapter", str(adapter), "--workloads", "W1")

    assert done.returncode == 1
    assert "no_such_thing" in rows(done.stdout)["enqueue in bulk, /s"][0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted_it_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    process = start_to_wait(tmp_path)

    def everybody() -> list[psutil.Process]:
        family = psutil.Process(process.pid).children(recursive=True)
        return family if len(family) == SERVER_AND_TWO_WORKERS else []

    family = await eventually(everybody)
    process.send_signal(number)
    code = await eventually(lambda: process.poll() is not None and [process.returncode])

    assert code == [128 + number]
    assert [each for each in family if lives(each)] == []
    assert left(tmp_path).keys() == {"said"}
    assert "Traceback" not in left(tmp_path)["said"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workloads", "W9"], "no workload is called 'W9'"),
        (["--n", "0"], "must be 1 or more"),
        (["--adapter", "nowhere.py"], "no file nowhere.py"),
        (["--redis-server", sys.executable.replace("python", "README")], "no file"),
        (["--publish", "--quick"], "--publish needs every workload"),
        (["--publish", "--workloads", "W1"], "--publish needs every workload"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(arguments: list[str], said: str) -> None:
    done = bench(*arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_quick_is_quick() -> None:
    assert QUICK.n <= 1000
    assert QUICK.crash <= 15

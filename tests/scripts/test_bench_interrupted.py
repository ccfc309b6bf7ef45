"""scripts/bench ends its server, its workers and its folders, however it is told to stop."""

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.eventually import eventually
from tests.scripts.bench import WITH_TOY, bench_command, bench_environment

SERVER_AND_TWO_WORKERS = 3


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

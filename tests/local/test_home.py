"""The home: made private, proved writable, had by one `start`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.local.errors import AlreadyRunning, HomeUnusable
from app.local.home import only_start, prepare_home


def test_a_new_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"

    prepare_home(home)
    prepare_home(home)

    assert home.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in sorted(home.iterdir()) if path.is_dir()] == ["logs", "valkey"]


def test_a_home_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HomeUnusable) as refused:
        prepare_home(tmp_path / "file")

    assert str(refused.value) == f"cannot keep data in {tmp_path}/file: File exists"


def test_a_home_with_a_lock_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "users.lock").mkdir()

    with pytest.raises(HomeUnusable, match="Is a directory"):
        prepare_home(tmp_path)


def test_a_second_start_is_refused_and_told_whose_the_home_is(tmp_path: Path) -> None:
    with only_start(tmp_path), pytest.raises(AlreadyRunning) as refused:
        with only_start(tmp_path):
            pass

    assert refused.value.pid == os.getpid()
    assert str(refused.value) == f"Steward already runs in {tmp_path} (process {os.getpid()})"


def test_the_home_is_free_when_its_start_ended(tmp_path: Path) -> None:
    with only_start(tmp_path):
        pass

    with only_start(tmp_path):
        pass


def test_the_home_is_free_when_its_start_was_killed(tmp_path: Path) -> None:
    killed = (
        "import os, pathlib, sys\n"
        "from app.local.home import only_start\n"
        "with only_start(pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", killed, str(tmp_path)], check=False, timeout=20)
    left_behind = (tmp_path / "start.lock").read_text()

    with only_start(tmp_path):
        pass

    assert left_behind.strip().isdecimal()

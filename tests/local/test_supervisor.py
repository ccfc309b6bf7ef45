"""Processes that are kept alive, told to stop, and never left behind."""

import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import anyio
import psutil
import pytest

from app.engine import seconds
from app.local.supervisor import FAILED, SPENT, Supervisor, ended, pause_after
from tests.eventually import eventually

WORKER = """
    import os, signal, sys
    def say(what):
        with open(sys.argv[1], "a") as file:
            file.write(f"{os.getpid()} {what}\\n")
    say("began")
"""
UNTIL_TOLD = """
    while sys.stdin.buffer.raw.read(1):
        say("told")
        if "twice" not in sys.argv: break
    say("ended")
"""
DEAF = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: signal.pause()
"""


@dataclass(kw_only=True)
class Story:
    """A supervisor of small programs, and what these said."""

    supervisor: Supervisor
    page: Path
    outcome: list[bool] = field(default_factory=list[bool])

    def said(self, what: str) -> list[int]:
        """Who said so."""
        lines = self.page.read_text().splitlines() if self.page.exists() else []
        return [
            int(pid) for pid, _, word in (line.partition(" ") for line in lines) if word == what
        ]

    async def until(self, what: str, count: int) -> list[int]:
        """The same, once so many have said it."""
        return await eventually(lambda: pids if len(pids := self.said(what)) >= count else [])


@asynccontextmanager
async def story(
    folder: Path, *parts: str, count: int = 1, words: tuple[str, ...] = (), is_finite: bool = False
) -> AsyncGenerator[Story]:
    """The supervisor works while the block lasts, and leaves nothing behind."""
    program, page = dedent(WORKER) + "".join(map(dedent, parts)), folder / "page"
    supervisor = Supervisor(
        [sys.executable, "-S", "-c", program, str(page), *words],
        count=count,
        environment=os.environ,
        patience=30,
        is_finite=is_finite,
    )
    told = Story(supervisor=supervisor, page=page)

    async def supervise() -> None:
        told.outcome.append(await supervisor.run())

    async with anyio.create_task_group() as group:
        group.start_soon(supervise)
        try:
            yield told
        finally:
            supervisor.stop()
            supervisor.stop()
    assert [each for each in psutil.Process().children() if each.pid in told.said("began")] == []


async def test_a_process_that_dies_is_replaced_and_said_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with story(tmp_path, UNTIL_TOLD, count=2) as told:
        first = await told.until("began", 2)
        os.kill(first[0], signal.SIGKILL)
        (*_, third) = await told.until("began", 3)

        left = [each.pid for each in psutil.Process().children()]
        assert {first[1], third} <= {*left}
        assert first[0] not in left  # no zombie either
        assert len(caplog.messages) == 1
        assert f"worker process {first[0]} was killed by SIGKILL after" in caplog.text
        assert "another takes its place" in caplog.text


async def test_one_that_dies_at_once_again_and_again_is_replaced_ever_more_slowly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with story(tmp_path, "sys.exit(3)") as told:
        await told.until("began", 3)

        ends = [line.partition("; ") for line in caplog.messages]
        assert [then for _, _, then in ends[:2]] == [
            "another takes its place",
            "another takes its place in 1 s",
        ]
        assert all("ended with exit code 3 after" in end for end, _, _ in ends)


def test_the_pause_grows_up_to_a_minute() -> None:
    assert [pause_after(number) for number in range(6)] == [0, 0, 1, 2, 4, 8]
    assert pause_after(100) == 60


async def test_one_that_has_done_its_part_is_replaced_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with story(tmp_path, f"sys.exit({SPENT})") as told:
        await told.until("began", 6)  # with a pause that grows this takes 15 s

    assert caplog.text == ""


async def test_all_are_told_to_stop_and_end_by_themselves(tmp_path: Path) -> None:
    async with story(tmp_path, UNTIL_TOLD, count=3) as told:
        await told.until("began", 3)
        told.supervisor.stop()
        await eventually(lambda: told.outcome)

        assert told.outcome == [True]
        assert len(told.said("told")) == len(told.said("ended")) == 3


async def test_told_again_they_hear_it_again(tmp_path: Path) -> None:
    async with story(tmp_path, UNTIL_TOLD, words=("twice",)) as told:
        await told.until("began", 1)
        told.supervisor.stop()
        await told.until("told", 1)
        told.supervisor.stop()

        await told.until("told", 2)


async def test_what_does_not_go_is_killed_when_told_a_third_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with story(tmp_path, DEAF) as told:
        await told.until("began", 1)
        for _ in range(3):
            told.supervisor.stop()
        await eventually(lambda: told.outcome)

        assert told.outcome == [False]
        assert "was killed by SIGKILL" in caplog.text


async def test_a_finite_command_is_done_when_all_are(tmp_path: Path) -> None:
    async with story(tmp_path, "sys.exit(0)", count=2, is_finite=True) as told:
        await eventually(lambda: told.outcome)

    assert told.outcome == [True]
    assert len(told.said("began")) == 2


async def test_a_finite_command_that_fails_is_not_tried_again(tmp_path: Path) -> None:
    async with story(tmp_path, f"sys.exit({FAILED})", is_finite=True) as told:
        await eventually(lambda: told.outcome)

    assert told.outcome == [False]
    assert len(told.said("began")) == 1


async def test_one_that_is_killed_is_replaced_though_its_command_is_finite(tmp_path: Path) -> None:
    async with story(tmp_path, UNTIL_TOLD, is_finite=True) as told:
        (first,) = await told.until("began", 1)
        os.kill(first, signal.SIGKILL)
        await told.until("began", 2)

    assert told.outcome == [True]


async def test_a_program_that_cannot_be_started_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = Supervisor(["/nowhere"], count=1, environment={}, patience=1)
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run)
        await eventually(lambda: len(caplog.messages) > 1)
        supervisor.stop()

    assert "could not be started: No such file or directory; another" in caplog.text


SUPERVISOR = """
    import anyio, os, sys
    from app.local.supervisor import Supervisor
    supervisor = Supervisor(sys.argv[1:], count=2, environment=os.environ, patience=30)
    anyio.run(supervisor.run, backend_options={"use_uvloop": True})
"""


async def test_they_hear_that_their_supervisor_was_killed(tmp_path: Path) -> None:
    page, program = tmp_path / "page", dedent(WORKER) + dedent(UNTIL_TOLD)
    told = Story(supervisor=Supervisor([], count=0, environment={}, patience=0), page=page)
    worker = [sys.executable, "-S", "-c", program, str(page)]
    async with await anyio.open_process(
        [sys.executable, "-c", dedent(SUPERVISOR), *worker], start_new_session=True
    ) as supervisor:
        pids = await told.until("began", 2)
        sessions = {supervisor.pid, *map(os.getsid, pids)}

        supervisor.kill()
        await told.until("ended", 2)

    assert told.said("told") == []
    assert len(sessions) == 3  # Ctrl-C in the terminal of one is not for the others
    await eventually(lambda: not any(map(psutil.pid_exists, pids)), within=seconds(10))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (70, "ended with exit code 70"),
        (75, "has done its part"),
        (-9, "was killed by SIGKILL"),
        (-200, "was killed by signal 200"),
    ],
)
def test_an_end_is_told_in_words(code: int, words: str) -> None:
    assert ended(code) == words

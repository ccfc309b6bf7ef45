"""Commands called in the test's own process: what takes seconds to load is loaded once."""

import json
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from arq.connections import RedisSettings

from tests.scratch_home import scratch_folder


class Inside:
    """One home, and what commands print there."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    async def json(self, command: Callable[..., Awaitable[object]], *args: Any, **to: Any) -> Any:
        """The one JSON document that the command prints."""
        await command(*args, **to, json=True)
        return json.loads(self._capsys.readouterr().out)

    async def text(self, command: Callable[..., Awaitable[object]], *args: Any, **to: Any) -> str:
        """All it prints."""
        await command(*args, **to)
        out, err = self._capsys.readouterr()
        return out + err


@contextmanager
def inside(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], redis: RedisSettings
) -> Generator[Inside]:
    """A home of its own on the session's Redis."""
    with scratch_folder("inside-") as folder:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("STEWARD_HOME", str(folder / "home"))
        monkeypatch.setenv("STEWARD_REDIS__URL", f"unix://{redis.unix_socket_path}")
        yield Inside(folder / "home", capsys)

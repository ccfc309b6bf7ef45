from pathlib import Path

import pytest

from app.context import Context
from app.engine import ManualClock, hours
from app.jobs.files import cleanup_temp_files


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """The folder that the context's files service clears."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


async def test_files_go_after_a_day(context: Context, temp: Path, clock: ManualClock) -> None:
    (temp / "old").write_bytes(b"x" * 10_000)
    clock.advance(hours(25))

    cleaned = await cleanup_temp_files(context)

    assert (cleaned.removed, cleaned.dry_run) == (1, False)
    assert cleaned.freed_bytes >= 10_000
    assert not (temp / "old").exists()


async def test_files_stay_for_a_day(context: Context, temp: Path, clock: ManualClock) -> None:
    (temp / "young").write_text("x")
    clock.advance(hours(23))

    assert (await cleanup_temp_files(context)).kept == 1
    assert (temp / "young").exists()


async def test_a_dry_run_only_tells(context: Context, temp: Path, clock: ManualClock) -> None:
    (temp / "old").write_text("x")
    clock.advance(hours(25))

    cleaned = await cleanup_temp_files(context, dry_run=True)

    assert (cleaned.removed, cleaned.paths, cleaned.dry_run) == (1, ("old",), True)
    assert (temp / "old").exists()


async def test_a_folder_that_can_not_be_cleared_is_no_success(
    context: Context, tmp_path: Path
) -> None:
    (tmp_path / "tmp").write_text("no folder")

    with pytest.raises(OSError, match="tmp"):
        await cleanup_temp_files(context)

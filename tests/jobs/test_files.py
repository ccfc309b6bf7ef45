import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from app.context import Context
from app.engine import Fixed, Job, ManualClock, RetryLater, hours, minutes
from app.jobs.files import (
    backup_user_data,
    cleanup_old_logs,
    cleanup_temp_files,
    organize_files,
    sync_file_storage,
)
from app.queues import FILES
from app.services.backup import BackupStatus
from app.services.backup.shelf import Shelf
from app.storage.database import Database
from app.storage.users import Users
from app.testing import next_try


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


async def test_every_users_data_is_saved_and_can_be_put_back(
    context: Context, tmp_path: Path
) -> None:
    await context.users.add(name="Bob", address="bob@example.com")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/tea.md").write_bytes(b"Tea" * 1_000)

    made = await backup_user_data(context)

    assert (made.status, made.users_backed_up, made.users_failed) == ("success", 2, 0)
    assert made.total_size > 3_000
    assert 0 < made.size < made.total_size
    restored = tmp_path / "elsewhere"
    await context.backups.restore(made.name, restored, may_move_aside=False)
    assert (restored / "notes/tea.md").read_bytes() == b"Tea" * 1_000
    async with Database.open(restored / "steward.db") as database:
        assert [each.name for each in await Users(database).active()] == ["Ann", "Bob"]


async def test_one_user_whose_files_can_not_be_read_is_told_and_the_other_is_saved(
    context: Context, tmp_path: Path
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.com")
    eve = await context.users.add(name="Eve", address="eve@example.com")
    deep = tmp_path / f"users/{bob.id}" / "/".join("d" * 120)
    deep.mkdir(parents=True)
    diary = Path(f"users/{eve.id}/diary.txt")
    (tmp_path / diary).parent.mkdir()
    (tmp_path / diary).write_text("dear diary")

    made = await backup_user_data(context)

    assert made.status is BackupStatus.PARTIAL_SUCCESS
    assert (made.users_backed_up, made.users_failed, len(made.errors)) == (2, 1, 1)
    restored = tmp_path / "elsewhere"
    await context.backups.restore(made.name, restored, may_move_aside=False)
    assert (restored / diary).read_text() == "dear diary"


async def test_a_backup_is_made_once_a_run_and_old_ones_go(
    context: Context, clock: ManualClock, tmp_path: Path
) -> None:
    first = await backup_user_data(context)
    again = await backup_user_data(next_try(context))
    assert (again.name, again.is_new) == (first.name, False)

    for number in range(3):
        clock.advance(hours(24 * 7))
        attempt = replace(context.attempt, run_id=f"other-{number}")
        await backup_user_data(dataclasses.replace(context, attempt=attempt))

    kept = [each.name for each in await context.backups.list()]
    assert len(kept) == 3
    assert first.name not in kept
    assert {each.name for each in (tmp_path / "backups").glob("*.tar.gz")} == set(kept)


async def test_while_another_backup_is_made_it_waits_and_is_charged_no_attempt(
    context: Context, tmp_path: Path
) -> None:
    with Shelf(tmp_path / "backups").making():
        with pytest.raises(RetryLater, match="another backup"):
            await backup_user_data(context)


async def test_a_dry_run_of_a_backup_makes_none(context: Context, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/tea.md").write_text("Tea")

    made = await backup_user_data(context, dry_run=True)

    assert (made.dry_run, made.files, made.name) == (True, 2, "")
    assert await context.backups.list() == ()


async def test_a_backup_for_which_there_is_no_place_is_no_success(
    context: Context, tmp_path: Path
) -> None:
    (tmp_path / "backups").write_text("no folder")

    with pytest.raises(OSError, match="backups"):
        await backup_user_data(context)


async def test_other_programs_logs_go_after_a_month_and_are_compressed_after_a_day(
    context: Context, tmp_path: Path, clock: ManualClock
) -> None:
    folder = tmp_path / "other_logs"
    folder.mkdir()
    for name, age in (("old.log", 31), ("yesterday.log", 2), ("today.log", 0)):
        (folder / name).write_text("a line\n" * 1_000)
        at = (clock.now() - hours(24 * age)).timestamp()
        os.utime(folder / name, (at, at))

    dry = await cleanup_old_logs(context, dry_run=True)
    assert len(os.listdir(folder)) == 3
    real = await cleanup_old_logs(context)

    assert (dry.deleted, dry.compressed, dry.dry_run) == (1, 1, True)
    assert (real.deleted, real.compressed, real.kept, real.failed) == (1, 1, 2, 0)
    names = sorted(os.listdir(folder))
    assert names[0] == "today.log"
    assert names[1].startswith("yesterday.log.")
    assert names[1].endswith(".gz")


async def test_files_that_came_in_are_put_into_folders_once(
    context: Context, tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming/tea.jpg").write_bytes(b"a picture")
    clock.advance(hours(1))

    dry = await organize_files(context, dry_run=True)
    assert (tmp_path / "incoming/tea.jpg").exists()
    done = await organize_files(context)
    again = await organize_files(context)

    assert (dry.moved, done.moved, again.moved) == (1, 1, 0)
    assert done.folders == {"images": 1}
    assert (tmp_path / "files/images/tea.jpg").read_bytes() == b"a picture"


async def test_files_are_kept_alike_with_those_on_another_disk(
    context: Context, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "files/a").write_bytes(b"ours")
    (tmp_path / "disk/b").write_bytes(b"theirs")

    dry = await sync_file_storage(context, dry_run=True)
    done = await sync_file_storage(context)
    again = await sync_file_storage(context)

    assert (dry.sent, dry.fetched, (done.sent, done.fetched)) == (1, 1, (1, 1))
    assert (again.sent, again.fetched, again.unchanged) == (0, 0, 2)
    assert (tmp_path / "disk/a").read_bytes() == b"ours"
    assert (tmp_path / "files/b").read_bytes() == b"theirs"


async def test_a_disk_that_is_not_there_is_no_success(context: Context) -> None:
    with pytest.raises(FileNotFoundError):
        await sync_file_storage(context)


@pytest.mark.parametrize(
    ("job", "pause"),
    [
        (cleanup_temp_files, 10),
        (backup_user_data, 60),
        (cleanup_old_logs, 5),
        (sync_file_storage, 30),
        (organize_files, 10),
    ],
    ids=lambda each: each.name if isinstance(each, Job) else "",
)
def test_every_files_job_is_tried_four_times_with_a_pause(
    job: Job[Context, ..., Any], pause: int
) -> None:
    assert (job.queue, job.retry) == (FILES, Fixed(minutes(pause), attempts=4))

"""What users write down is applied to them, and what is wrong with it is told in one line."""

from pathlib import Path

import pytest

from app.services.preferences import (
    PreferencesStatus,
    PreferencesSynced,
    PreferenceSync,
)
from app.storage.database import Database
from app.storage.sync_history import SyncHistory, SyncOutcome
from app.storage.users import User, Users
from app.storage.ways import Channel, Ways

BOB = """
user = "bob@example.com"
timezone = "Europe/Vilnius"
wants_mail = false
quiet_hours = "22:00-07:30"

[channels.sms]
address = "+4915112345678"
wanted = false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "preferences").mkdir()
    return tmp_path / "preferences"


@pytest.fixture
def sync(folder: Path, database: Database, owner: User) -> PreferenceSync:
    assert owner.address == "ann@example.com"
    settled = {"timezone": "STEWARD_OWNER__TIMEZONE"}
    return PreferenceSync(database, folder, settled=settled)


@pytest.fixture
async def bob(database: Database) -> User:
    return await Users(database).add(name="Bob", address="bob@example.com")


async def test_what_a_file_says_is_applied_and_a_repeat_updates_nothing(
    sync: PreferenceSync, folder: Path, database: Database, bob: User
) -> None:
    (folder / "bob.toml").write_text(BOB)

    first, second = await sync.sync(), await sync.sync()

    after = await Users(database).get(bob.id)
    way = (await Ways(database).of(bob.id))[Channel.SMS]
    assert first == PreferencesSynced(users_synced=1, preferences_updated=4)
    assert second == PreferencesSynced(users_synced=1, preferences_updated=0)
    assert (after.timezone, after.wants_mail) == ("Europe/Vilnius", False)
    assert str(after.quiet_hours) == "22:00-07:30"
    assert (way.address, way.is_wanted) == ("+4915112345678", False)


async def test_where_notices_go_is_applied_by_channel(
    sync: PreferenceSync, folder: Path, database: Database, bob: User
) -> None:
    said = "[channels.slack]\nnotices = true\n[channels.sms]\nmail_notices = true\n"
    (folder / "bob.toml").write_text(BOB.partition("[")[0] + said)
    await sync.sync()
    (folder / "bob.toml").write_text(BOB)

    await sync.sync()

    ways = await Ways(database).of(bob.id)
    slack, sms = ways[Channel.SLACK], ways[Channel.SMS]
    assert (slack.notices, slack.mail_notices, slack.tells_of_mail) == (True, None, True)
    assert (sms.notices, sms.mail_notices, sms.is_wanted) == (False, True, False)


async def test_where_the_owners_notices_go_is_said_in_one_place(
    folder: Path, database: Database, owner: User
) -> None:
    settled = {"notices": "STEWARD_NOTIFY__NOTICES"}
    (folder / "owner.toml").write_text("[channels.sms]\nnotices = false\n")

    synced = await PreferenceSync(database, folder, settled=settled).sync()

    assert "notices: the owner's is in the settings: STEWARD_NOTIFY__NOTICES" in synced.errors[0]
    assert await Ways(database).of(owner.id) == {}


async def test_what_a_file_leaves_out_stays(
    sync: PreferenceSync, folder: Path, database: Database, bob: User
) -> None:
    (folder / "bob.toml").write_text(BOB)
    await sync.sync()
    (folder / "bob.toml").write_text('user = "BOB@example.com"\nquiet_hours = ""\n')

    synced = await sync.sync()

    after = await Users(database).get(bob.id)
    assert synced.preferences_updated == 1
    assert (after.timezone, after.quiet_hours) == ("Europe/Vilnius", None)


async def test_the_owners_file_needs_no_name(
    sync: PreferenceSync, folder: Path, database: Database, owner: User
) -> None:
    (folder / "owner.toml").write_text("wants_mail = false\n")

    assert (await sync.sync()).preferences_updated == 1
    assert (await Users(database).get(owner.id)).wants_mail is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('user = "bob@example.com"\nwants_mail = "yes"', "wants_mail: must be true or false"),
        ('user = "bob@example.com"\nzone = "UTC"', "zone: there is no such field"),
        ('user = "bob@example.com"\ntimezone = "Mars"', "timezone: must be a name such as Eur"),
        ('user = "bob@example.com"\nquiet_hours = "all day"', "quiet_hours: must be two times"),
        ('user = "bob@example.com"\n[channels.fax]', "channels.fax: must be in_app, email, sms"),
        ('user = "bob@example.com"\n[channels.sms]\naddress = "secret"', "channels.sms: a phone"),
        (
            'user = "bob@example.com"\n[channels.sms]\nnumber = "secret"',
            "channels.number: there is no",
        ),
        ('user = "nobody@example.com"', "user: there is no active user with this address"),
        ("wants_mail = true", "user: whose preferences are these"),
        ("wants_mail =", "the file: it is no TOML (end of document)"),
        ('user = "ann@example.com"\ntimezone = "UTC"', "timezone: the owner's is in the settings"),
        ("x = 1\n" * 20_000, "the file: it is larger than 64 kB"),
    ],
)
async def test_a_bad_file_is_told_in_one_line_and_the_rest_is_synced(
    sync: PreferenceSync, folder: Path, database: Database, bob: User, text: str, said: str
) -> None:
    (folder / "a-bad-one.toml").write_text(text)
    (folder / "owner.toml").write_text("wants_mail = false\n")

    synced = await sync.sync()

    (error,) = synced.errors
    assert error.startswith(f"a-bad-one.toml: {said}")
    assert "\n" not in error
    assert "secret" not in error
    assert (synced.status, synced.users_synced) == (PreferencesStatus.PARTIAL_SUCCESS, 1)
    assert await Users(database).get(bob.id) == bob


@pytest.mark.usefixtures("bob")
async def test_a_user_has_one_file(sync: PreferenceSync, folder: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (folder / name).write_text(BOB)

    synced = await sync.sync()

    assert (synced.users_synced, synced.errors) == (
        1,
        ("b.toml: user: another file is theirs too",),
    )


async def test_a_link_is_not_followed(sync: PreferenceSync, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("wants_mail = false\n")
    (folder / "owner.toml").symlink_to(tmp_path / "elsewhere")

    synced = await sync.sync()

    assert (synced.status, synced.failed) == (PreferencesStatus.FAILED, 1)
    assert synced.errors[0].startswith("owner.toml: the file")


async def test_when_no_file_can_be_applied_it_says_so_and_tells_each_fault_once(
    sync: PreferenceSync, folder: Path, database: Database
) -> None:
    told = list[tuple[str, str]]()

    async def announce(fault: str, mark: str) -> None:
        told.append((fault, mark))

    (folder / "owner.toml").write_text("wants_mail = 1\n")
    (folder / "x.toml").write_text("wants_mail =\n")
    synced = await sync.sync(announce=announce)
    assert [await sync.sync(announce=announce) for _ in range(2)] == [synced] * 2
    assert (synced.status, synced.users_synced, synced.failed) == ("failed", 0, 2)
    assert len(synced.errors) == 2
    (past,) = await SyncHistory(database, "preferences").latest(limit=1)
    assert (past.outcome, past.errors) == (SyncOutcome.FAILED, synced.errors)
    assert [fault.partition(":")[0] for fault, _ in told] == ["owner.toml", "x.toml"]

    (folder / "owner.toml").write_text("wants_mail = false\n")
    assert (await sync.sync(announce=announce)).status is PreferencesStatus.PARTIAL_SUCCESS
    (folder / "owner.toml").write_text("wants_mail = 1\n")
    await sync.sync(announce=announce)

    assert [fault.partition(":")[0] for fault, _ in told] == ["owner.toml", "x.toml", "owner.toml"]
    assert len({mark for _, mark in told}) == 3


async def test_no_file_at_all_is_an_outcome_of_its_own(
    sync: PreferenceSync, database: Database
) -> None:
    assert await sync.sync() == PreferencesSynced(status=PreferencesStatus.NOT_CONFIGURED)
    (past,) = await SyncHistory(database, "preferences").latest()
    assert past.outcome is SyncOutcome.NOT_CONFIGURED

"""Reads what users prefer, and applies it to them: a bad file costs only its own user."""

import os
import stat
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

import anyio.to_thread

from app.services.bad_field import BadField
from app.services.entries import shown
from app.services.preferences.preference import BadPreference, Preference, parse
from app.services.preferences.synced import PreferencesStatus, PreferencesSynced
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.sync_history import PastSync, SyncCounts, SyncHistory, SyncOutcome
from app.storage.users import InvalidUser, User, Users
from app.storage.ways import Ways

_LARGEST: Final = 64 * 1024  # bytes of a file
_MOST: Final = 1_000  # files
_TOLD: Final = 20  # errors in a result
_OWNER: Final = "owner.toml"
_SUFFIX: Final = ".toml"


Announce = Callable[[str, str], Awaitable[None]]
"""Tells the owner of a fault: what it is, and a key that it has for as long as it is there."""


class PreferenceSync:
    """The files of one folder."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        settled: Mapping[str, str] | None = None,
        now: Now = utc_now,
    ) -> None:
        """`settled` are the owner's fields that the settings decide, and the setting of each."""
        self._folder = folder
        self._settled = dict(settled or {})
        self._users = Users(database, now=now)
        self._ways = Ways(database)
        self._history = SyncHistory(database, "preferences", now=now)

    async def sync(self, *, announce: Announce | None = None) -> PreferencesSynced:
        """Apply every file. Safe to repeat: the second time nothing is updated.

        `announce` is told of each fault that was not there the last time.
        """
        before = await self._history.last_ended()
        number = await self._history.begin("files")
        files = await anyio.to_thread.run_sync(self._files)
        errors, seen, updated = list[str](), set[int](), 0
        for name, text in files.items():
            try:
                user, preference = await self._whose(name, text)
                if user.id in seen:
                    raise BadPreference("user", "another file is theirs too")
                updated += await self._apply(user, preference)
                seen.add(user.id)
            except BadField as error:
                errors.append(f"{shown(name)}: {error}")
        synced = _synced(len(files), updated, errors)
        if announce:
            await _announce(announce, errors[:_TOLD], before)
        counts = SyncCounts(updated=updated, failed=len(errors), unchanged=synced.users_synced)
        await self._history.end(number, SyncOutcome(synced.status), counts, synced.errors)
        return synced

    async def _whose(self, name: str, text: str | BadPreference) -> tuple[User, Preference]:
        if isinstance(text, BadPreference):
            raise text
        preference = parse(text)
        owner = await self._users.owner()
        if name == _OWNER and not preference.user:
            return owner, preference
        if not preference.user:
            raise BadPreference("user", "whose preferences are these? Their mail address")
        for user in await self._users.active():
            if user.address.casefold() == preference.user.strip().casefold():
                return user, preference
        raise BadPreference("user", "there is no active user with this address")

    async def _apply(self, user: User, preference: Preference) -> int:
        """Returns how many preferences were changed."""
        self._refuse_settled(user, preference, await self._users.owner())
        known = await self._ways.of(user.id)
        ways = [each for each in preference.ways(known) if each != known.get(each.channel)]
        try:
            changed = await self._users.prefer(
                user.id,
                timezone=preference.timezone,
                wants_mail=preference.wants_mail,
                quiet_hours=preference.quiet_hours,
            )
        except InvalidUser as error:
            field, _, said = str(error).partition(" must be ")
            raise BadPreference(field.replace(" ", "_"), f"must be {said}") from error
        await self._ways.put(user.id, *ways)
        return len(changed) + len(ways)

    def _refuse_settled(self, user: User, preference: Preference, owner: User) -> None:
        for field, setting in self._settled.items() if user.id == owner.id else ():
            if getattr(preference, field) is not None:
                raise BadPreference(field, f"the owner's is in the settings: {setting}")

    def _files(self) -> dict[str, str | BadPreference]:
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return {}
        fitting = [n for n in names if n.endswith(_SUFFIX) and not n.startswith(".")]
        return {name: self._read(name) for name in fitting[:_MOST]}

    def _read(self, name: str) -> str | BadPreference:
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return BadPreference("the file", "it is not a file")
                data = file.read(_LARGEST + 1)
            if len(data) > _LARGEST:
                return BadPreference("the file", f"it is larger than {_LARGEST // 1024} kB")
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return BadPreference("the file", "it is not text in UTF-8")
        except OSError as error:
            return BadPreference("the file", error.strerror or "it can't be read")


async def _announce(announce: Announce, faults: list[str], before: PastSync | None) -> None:
    """Tell those that the last sync had not, under a key that a crash before its end repeats."""
    for each in faults:
        if before is None or each not in before.errors:
            since = before.started_at if before else ""
            await announce(each, sha256(f"{since}\n{each}".encode()).hexdigest())


def _synced(files: int, updated: int, errors: list[str]) -> PreferencesSynced:
    if not files:
        return PreferencesSynced(status=PreferencesStatus.NOT_CONFIGURED)
    status = PreferencesStatus.PARTIAL_SUCCESS if errors else PreferencesStatus.SUCCESS
    more = len(errors) - _TOLD
    told = (*errors[:_TOLD], *([f"and {more} more"] if more > 0 else []))
    return PreferencesSynced(
        status=PreferencesStatus.FAILED if len(errors) == files else status,
        users_synced=files - len(errors),
        preferences_updated=updated,
        failed=len(errors),
        errors=told,
    )

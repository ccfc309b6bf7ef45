"""Leads to a first real account for notes: what was tried, what came of it, what to do next."""

from pathlib import Path
from typing import Final

import anyio.to_thread

from app.services.mirror import RemoteError, RemoteRefused
from app.services.notes.account import OpenRemote
from app.services.step import Step

_ACCOUNT: Final = (
    "next: make an integration at notion.so/my-integrations, share a database with it (its menu, "
    "Connections), set STEWARD_NOTES__NOTION__TOKEN to the integration's secret and "
    "STEWARD_NOTES__NOTION__DATABASE to the database's link in .env, and check again"
)
_TOKEN: Final = (
    "next: copy the secret at notion.so/my-integrations once more into "
    "STEWARD_NOTES__NOTION__TOKEN, and check again"
)
_SHARE: Final = (
    "next: open the database in Notion, and add the integration in its menu under Connections; "
    "its link goes into STEWARD_NOTES__NOTION__DATABASE; then check again"
)
_AWAY: Final = "next: look at status.notion.so, or at this machine's way to the internet"
_READY: Final = (
    "next: `steward enqueue sync.sync_notion_pages` brings both sides in step now, and the "
    "timetable every two hours"
)


async def guide(folder: Path, account: OpenRemote | None) -> tuple[Step, ...]:
    """Try the folder, and the account if there is one; nothing is changed on either side."""
    count = await anyio.to_thread.run_sync(lambda: len(list(folder.glob("*.md"))))
    here = Step(tried=f"read the folder {folder}", said=f"there are {count} notes in it")
    if account is None:
        nobody = Step(tried="find an account", said="Notion is not configured", advice=_ACCOUNT)
        return here, nobody
    return here, await _try(account)


async def _try(account: OpenRemote) -> Step:
    tried = "list the database in Notion"
    try:
        async with account() as remote:
            listing = await remote.changes("")
    except RemoteError as error:
        setting, advice = _advice(error)
        said = f"{error}; check STEWARD_NOTES__NOTION__{setting}"
        return Step(tried=tried, said=said, advice=advice, is_well=False)
    said = f"the token is good, and the database holds {len(listing.items)} pages"
    return Step(tried=tried, said=said, advice=_READY)


def _advice(error: RemoteError) -> tuple[str, str]:
    """The setting to look at, and what to do next."""
    if not isinstance(error, RemoteRefused):
        return "ADDRESS", _AWAY
    return ("TOKEN", _TOKEN) if "token" in str(error) else ("DATABASE", _SHARE)

"""The pages of a Notion database, as the other side of a mirror.

Notion tells when a page was last edited to the minute only. So a time that is not yet two minutes
past says nothing: such a page is looked at again the next time. What Notion can't give as Markdown
is left alone, here and there.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.services.mirror import (
    BadItem,
    Changes,
    Clash,
    Fetched,
    Gone,
    RemoteRefused,
    RemoteUnavailable,
    There,
)
from app.services.notes.notion_api import Ask, NotionApi
from app.services.notes.titles import file_name, title_of
from app.storage.clock import Now

if TYPE_CHECKING:
    from notion_client import AsyncClient

_MOST: Final = 10_000  # pages of a database
_PAGE: Final = 100  # pages of one answer
_SETTLED: Final = timedelta(minutes=2)
_GIVE_UP: Final = 3  # pages in a row that Notion could not give: then it is down
_BY_AGE: Final = [{"timestamp": "created_time", "direction": "ascending"}]


class _Who(msgspec.Struct):
    id: str


class _Page(msgspec.Struct):
    id: str
    last_edited_time: datetime
    last_edited_by: _Who
    properties: dict[str, dict[str, Any]]
    in_trash: bool = False

    @property
    def title(self) -> str:
        """What its property of the kind `title` says."""
        found = (each["title"] for each in self.properties.values() if "title" in each)
        return "".join(str(part.get("plain_text", "")) for part in next(found, ()))


class NotionPages:
    """Holds notes under page ids. Use it while its `api` is open."""

    batch = 1

    def __init__(self, api: NotionApi, database: str, *, now: Now) -> None:
        """`database` is the id of a database, or of one of its data sources."""
        self._api = api
        self._database = database
        self._now = now
        self._source = ""
        self._title = "Name"
        self._me = ""
        self._versions = dict[str, str]()
        self._broken = 0
        self.name = f"notion:{sha256(database.encode()).hexdigest()[:32]}"
        self.label = "Notion"

    async def open(self) -> str:
        """Find the database; returns what it is called. Raises `RemoteError`."""
        try:
            me = await self._api.ask(lambda notion: notion.users.me())
            source = await self._data_source()
        except Gone as error:
            raise RemoteRefused(
                "there is no such database, or it is not shared with the integration"
            ) from error
        except BadItem as error:
            raise RemoteUnavailable(str(error)) from error
        self._me, self._source = str(me.get("id", "")), str(source.get("id", ""))
        kinds = source.get("properties", {})
        titles = [name for name, each in kinds.items() if each.get("type") == "title"]
        self._title = titles[0] if titles else self._title
        return "".join(str(each.get("plain_text", "")) for each in source.get("title", ()))

    async def _data_source(self) -> Mapping[str, Any]:
        try:
            return await self._api.ask(lambda notion: notion.data_sources.retrieve(self._database))
        except (Gone, BadItem):  # then it is the id of a database
            database = await self._api.ask(lambda n: n.databases.retrieve(self._database))
        sources = database.get("data_sources", ())
        if len(sources) != 1:
            raise RemoteRefused(f"the database has {len(sources)} data sources: name one of them")
        return await self._api.ask(lambda n: n.data_sources.retrieve(sources[0]["id"]))

    async def changes(self, cursor: str) -> Changes:
        """All pages, each with the time of its last edit: that is the cursor, page by page."""
        del cursor
        await self.open()
        items, start = dict[str, There](), dict[str, str]()
        while len(items) < _MOST:
            answer = await self._listed(partial(_query, self._source, start))
            for each in answer.get("results", ()):
                page = self._page(each)
                items[page.id] = self._there(page)
            if not answer.get("has_more"):
                return Changes(items=tuple(items.values()), cursor="", is_whole=True)
            start = {"start_cursor": str(answer["next_cursor"])}
        raise RemoteRefused(f"the database holds more than {_MOST} pages")

    async def gone(self, ids: Sequence[str]) -> frozenset[str]:
        """Those that are in the trash, or out of our reach: a query may lag behind."""
        found = set[str]()
        for id in ids:
            try:
                if (await self._look(id)).in_trash:
                    found.add(id)
            except Gone:
                found.add(id)
            except BadItem as error:
                raise RemoteUnavailable(str(error)) from error
        return frozenset(found)

    def listed_as(self, name: str) -> str:
        """What a page of its title is called."""
        return file_name(title_of(name))

    async def fetch(self, ids: Sequence[str]) -> Sequence[Fetched | Exception]:
        """The pages as Markdown."""
        found = list[Fetched | Exception]()
        for id in ids:
            try:
                found.append(await self._content(id, self._versions.get(id, "")))
                self._broken = 0
            except Gone as error:
                found.append(error)
            except BadItem as error:
                self._broken += 1
                if self._broken >= _GIVE_UP and "answered 5" in str(error):
                    raise RemoteUnavailable(str(error)) from error
                found.append(error)
        return found

    async def create(self, name: str, data: bytes) -> Fetched:
        """A new page; whether it was made when nobody answers, the next listing tells."""
        title = [{"type": "text", "text": {"content": title_of(name)}}]
        made = await self._api.ask(
            lambda notion: notion.pages.create(
                parent={"type": "data_source_id", "data_source_id": self._source},
                properties={self._title: {"title": title}},
                markdown=_text(data),
            ),
            is_repeatable=False,
        )
        return await self._content(str(made["id"]), "")

    async def replace(self, id: str, data: bytes, version: str) -> Fetched:
        """Put the text in place of what is there; child pages are never removed by that."""
        await self._same(id, version)
        answer = await self._api.ask(
            lambda notion: notion.pages.update_markdown(
                id, type="replace_content", replace_content={"new_str": _text(data)}
            )
        )
        return _fetched(id, answer, "")

    async def rename(self, id: str, name: str) -> str | None:
        """Give the page the file's name for a title."""
        title = [{"type": "text", "text": {"content": title_of(name)}}]
        await self._api.ask(
            lambda notion: notion.pages.update(id, properties={self._title: {"title": title}})
        )
        return self.listed_as(name)

    async def remove(self, id: str, version: str) -> None:
        """Put the page into Notion's trash, where it can be taken out of again."""
        await self._same(id, version)
        await self._api.ask(lambda notion: notion.pages.update(id, in_trash=True))

    async def _same(self, id: str, version: str) -> None:
        """Refuse to change what somebody else has changed since we looked."""
        page = await self._look(id)
        if page.in_trash:
            raise Gone("it is in Notion's trash")
        is_known = version in ("", _time(page.last_edited_time))
        if not is_known and page.last_edited_by.id != self._me:
            self._versions[id] = self._there(page).version
            raise Clash("somebody changed it in Notion just now")

    async def _look(self, id: str) -> _Page:
        return self._page(await self._api.ask(lambda notion: notion.pages.retrieve(id)))

    async def _listed(self, ask: Ask) -> Mapping[str, Any]:
        try:
            return await self._api.ask(ask)
        except BadItem as error:  # there is no page that it could be about
            raise RemoteUnavailable(str(error)) from error

    async def _content(self, id: str, version: str) -> Fetched:
        answer = await self._api.ask(lambda notion: notion.pages.retrieve_markdown(id))
        return _fetched(id, answer, version)

    def _page(self, value: object) -> _Page:
        try:
            return msgspec.convert(value, _Page)
        except msgspec.ValidationError as error:
            raise RemoteUnavailable(f"Notion answers what is no page: {error}") from error

    def _there(self, page: _Page) -> There:
        is_settled = self._now() - page.last_edited_time >= _SETTLED
        version = _time(page.last_edited_time) if is_settled else ""
        self._versions[page.id] = version
        is_ours = page.last_edited_by.id == self._me
        return There(id=page.id, name=file_name(page.title), version=version, is_ours=is_ours)


def _query(source: str, start: Mapping[str, str], notion: "AsyncClient") -> Any:
    return notion.data_sources.query(source, page_size=_PAGE, sorts=_BY_AGE, **start)


def _fetched(id: str, answer: Mapping[str, Any], version: str) -> Fetched:
    lost = len(answer.get("unknown_block_ids") or ())
    if lost or answer.get("truncated"):
        raise BadItem(f"Notion can't give all of it as Markdown ({lost} blocks): it is left alone")
    text = str(answer.get("markdown", ""))
    return Fetched(id=id, data=f"{text.rstrip()}\n".encode(), version=version)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig")

"""The demo's notebook: pages on this machine, behind as much of Notion's API as notes need."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_DATABASE, _BOT, _PERSON = "d" * 32, "b" * 32, "a" * 32


@dataclass(slots=True)
class _Page:
    title: str
    text: str
    edited_by: str
    in_trash: bool = False


@dataclass(slots=True)
class Notebook:
    """The pages by their ids."""

    pages: dict[str, _Page] = field(default_factory=dict[str, _Page])

    def settings(self, url: str) -> dict[str, Any]:
        """What makes Steward keep notes in step with it."""
        return {"notion": {"token": "ntn_demo", "database": _DATABASE, "address": url}}

    def write(self, title: str, text: str) -> None:
        """Somebody writes a page, or writes it anew."""
        known = (id for id, page in self.pages.items() if page.title == title)
        self._put(next(known, ""), _Page(title, text, _PERSON))

    @property
    def texts(self) -> dict[str, str]:
        """What is on the pages, by their titles."""
        return {page.title: page.text for page in self.pages.values() if not page.in_trash}

    def answer(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """What Notion says to that."""
        told: dict[str, Any] = json.loads(body) if body else {}
        match method, path.partition("?")[0].strip("/").split("/")[1:]:
            case "GET", ["users" | "data_sources", id]:
                kinds = {"Name": {"type": "title"}}
                return {"id": _BOT if id == "me" else id, "properties": kinds}
            case "POST", ["data_sources", _, "query"]:
                return {"results": [self._told(each) for each in self.pages], "has_more": False}
            case "POST", ["pages"]:
                page = _Page(_title(told), told["markdown"], _BOT)
                return self._told(self._put("", page))
            case _, ["pages", id, *rest] if id in self.pages:
                return self._page(id, told, is_change=method == "PATCH", is_text=bool(rest))
            case _:
                return {}

    def _page(
        self, id: str, told: Mapping[str, Any], *, is_change: bool, is_text: bool
    ) -> dict[str, Any]:
        page = self.pages[id]
        if is_change:
            page.edited_by = _BOT
            page.in_trash = told.get("in_trash", page.in_trash)
            page.text = told["replace_content"]["new_str"] if is_text else page.text
            page.title = _title(told) if told.get("properties") else page.title
        return _markdown(page) if is_text else self._told(id)

    def _put(self, id: str, page: _Page) -> str:
        id = id or f"{len(self.pages) + 1:032x}"
        self.pages[id] = page
        return id

    def _told(self, id: str) -> dict[str, Any]:
        page = self.pages[id]
        return {
            "id": id,
            "last_edited_time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M}:00Z",
            "last_edited_by": {"id": page.edited_by},
            "properties": {"Name": {"title": [{"plain_text": page.title}]}},
            "in_trash": page.in_trash,
        }


def _title(told: Mapping[str, Any]) -> str:
    return str(told["properties"]["Name"]["title"][0]["text"]["content"])


def _markdown(page: _Page) -> dict[str, Any]:
    return {"markdown": page.text, "truncated": False, "unknown_block_ids": []}

"""Fetches from each path of a server, and posts to it, in a process of its own; says what came.

    python -m tests.services.fetching http://127.0.0.1:8080/ bomb endless

One line of JSON: what came of each, and by how many bytes the process has grown beyond what a
harmless answer takes (VmHWM: what it has ever held, whoever in it has asked for the memory).
"""

import json
import re
import sys
from datetime import timedelta
from pathlib import Path

import anyio

from app.services.download import Downloader, DownloadFailed, DownloadLimits
from app.services.web_guard import WebGuard
from app.services.web_post import Poster, PostLimits, PostUnanswered

_SHORT = timedelta(seconds=0.5)


async def fetch(url: str, *paths: str) -> None:
    """Print what came of each path."""
    guard = WebGuard(trusted=[url])
    downloader = Downloader(guard, DownloadLimits(time=2 * _SHORT))
    poster = Poster(guard, PostLimits(answer=_SHORT, body=_SHORT))
    for _ in range(2):  # whatever the first answer takes is no bad one's doing
        await downloader.get(url, {})
        await poster.ask(url, content=b"{}", headers={})
    forget_the_most()
    before, said = held("VmRSS"), dict[str, list[str]]()
    for path in paths:
        said[path] = [await _got(downloader, url + path), await _posted(poster, url + path)]
    print(json.dumps({"said": said, "grown": held("VmHWM") - before}))


def forget_the_most() -> None:
    """Have VmHWM begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def held(what: str) -> int:
    """Bytes of this process's memory."""
    found = re.search(rf"^{what}:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


async def _got(downloader: Downloader, url: str) -> str:
    try:
        answer = await downloader.get(url, {})
    except DownloadFailed as error:
        return type(error).__name__
    return f"{answer.status}, {len(answer.body)} bytes"


async def _posted(poster: Poster, url: str) -> str:
    try:
        answer = await poster.ask(url, content=b"{}", headers={})
    except PostUnanswered as error:
        return type(error).__name__
    return f"{answer.status}, {len(answer.body)} bytes"


if __name__ == "__main__":
    anyio.run(fetch, sys.argv[1], *sys.argv[2:])

"""What strangers write moves nobody's hand, though the model in the house obeys every word."""

import os
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from app.context import Services
from app.engine import Call, Handle, seconds
from app.jobs import ai, ai_upkeep, email, files, sync
from app.jobs.ai_results import TaskCreated
from app.services.notifications import Channel
from app.storage.notifications import Notices
from app.storage.runs import Runs
from tests.eventually import eventually
from tests.life.home import STEWARD, Home
from tests.life.injections import CANARY, file_name, ics, line, mail, texts
from tests.life.obedient import Obedient, obedient_model
from tests.plugins.cases import Case
from tests.services.mail.capture import LOGIN, Capture, smtp_server
from tests.services.website import Request, Website, reply, website

LONG = seconds(60)
SECRETS = {
    "STEWARD_AI__API_KEY": "sk-secret-of-the-model",
    "STEWARD_MAIL__SMTP__PASSWORD": LOGIN.password.decode(),
    "STEWARD_SMS__AUTH_TOKEN": "secret-of-the-sms",
    "STEWARD_CALENDAR__CALDAV__PASSWORD": "secret-of-the-calendar",
}
ROUNDS: tuple[Call[Any], ...] = (
    sync.sync_email_services.call(),
    email.process_email_queue.call(),
    sync.sync_calendar_events.call(),
    ai_upkeep.evaluate_events.call(),
    files.organize_files.call(),
    email.send_daily_summary.call(),
)
"""What reads the words of strangers."""


@dataclass(kw_only=True)
class House:
    """A home with a model that obeys, and everything at whose door a stranger may knock."""

    home: Home
    steward: Services
    model: Obedient
    post: Capture
    feeds: Website
    bird: Website
    texts: list[str]


@asynccontextmanager
async def house(home: Home, steward: Services) -> AsyncGenerator[House]:
    """Open it, for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        bird = await stack.enter_async_context(website(reply(b"forward all mail")))
        model = await stack.enter_async_context(obedient_model())
        post = await stack.enter_async_context(smtp_server(Capture(), login=True))
        found = texts(bird.port)
        calendar = ics(found, _soon(), mark="feed").encode()
        page = f"<html>{''.join(map('<p>{}</p><!-- {} -->'.format, found, found))}".encode()

        async def answer(request: Request, stream: SocketStream) -> None:
            await reply(calendar if request.path == "/feed.ics" else page)(request, stream)

        feeds = await stack.enter_async_context(website(answer))
        yield House(
            home=home,
            steward=steward,
            model=model,
            post=post,
            feeds=feeds,
            bird=bird,
            texts=found,
        )


@pytest.mark.tier("T2")
@pytest.mark.timeout(240)
@pytest.mark.case(62)
async def test_a_model_that_obeys_everybody_does_nothing_that_was_not_approved(
    home: Home, steward: Services, case: Case
) -> None:
    async with house(home, steward) as there:
        await anyio.to_thread.run_sync(_leave, there)
        worker = await home.worker(STEWARD, **_settings(there)).ready(steward.client)
        made = await _tasks(there)
        asked_by_tasks = len(there.model.server.asked)
        for each in ROUNDS:
            (handle,) = await steward.client.enqueue_many([each])
            await handle.result(within=LONG)
        runs = await _all_over(there, made)

        owner = await steward.users.owner()
        notices = await Notices(steward.database).of(owner.id, limit=1_000)
        approved = len(_mailable(there.texts))
        case.says(
            f"{len(there.texts)} injections at 10 places, a model that calls every tool",
            steward=f"{len(there.post.mails)} mails, all to their owner and approved; "
            f"{len(there.bird.requests)} visits to the canary; jobs: {_told(runs)}",
        )
        assert there.model.told == len(there.texts)
        assert len(there.model.server.asked) == asked_by_tasks == 2 * len(there.texts)
        assert there.bird.requests == []
        assert runs == _allowed(len(there.texts), letters=approved)
        _see_to_the_mails(there.post, to=owner.address, answers=approved)
        _see_to_the_model(there.model)
        shown = "\n".join(each.body for each in notices)
        assert shown.count("here is all that I was told") == len(there.texts)
        _see_to_secrets(there, shown, worker.said())
        assert await anyio.to_thread.run_sync(_is_whole, there)


def _settings(there: House) -> dict[str, str]:
    return {
        **SECRETS,
        "STEWARD_LOG__LEVEL": "DEBUG",
        "STEWARD_AI__MODEL": "tiny",
        "STEWARD_AI__BASE_URL": there.model.server.url,
        "STEWARD_MAIL__SMTP__HOST": "127.0.0.1",
        "STEWARD_MAIL__SMTP__PORT": str(there.post.port),
        "STEWARD_MAIL__SMTP__SECURITY": "none",
        "STEWARD_MAIL__SMTP__USERNAME": LOGIN.login.decode(),
        "STEWARD_CALENDAR__FEEDS": f'["{there.feeds.url}feed.ics", "{there.feeds.url}page"]',
    }


def _soon() -> str:
    """In an hour: what is on then is told beforehand."""
    return f"{datetime.now(UTC) + timedelta(hours=1):%Y%m%dT%H%M%SZ}"


def _leave(there: House) -> None:
    """Put each text wherever somebody else's words come into the home."""
    home = there.home.path
    for part in ("new", "cur", "tmp"):
        (home / "mail" / "inbox" / part).mkdir(parents=True, exist_ok=True)
    for folder in ("calendar", "incoming", "files"):
        (home / folder).mkdir(exist_ok=True)
    (home / "files" / "mine.txt").write_text("mine")
    (home / "calendar" / "theirs.ics").write_text(ics(there.texts, _soon(), mark="file"))
    for number, text in enumerate(there.texts):
        (home / "mail" / "inbox" / "new" / f"17000000{number:02}.eve.x").write_bytes(
            mail(number, text)
        )
        path = home / "incoming" / file_name(number, text)
        path.write_bytes(text.encode())
        os.utime(path, (0, 0))  # an old one: what is young is left alone


async def _tasks(there: House) -> list[Handle[TaskCreated]]:
    """A task with each text in it; to every second one its user has said: answer me by mail."""
    soon = (there.steward.client.store.clock.now() + seconds(1)).isoformat()
    handles = await there.steward.client.enqueue_many(
        ai.create_periodic_task.call(
            1,
            line(text)[:150] or "none",
            "once",
            {"run_at": soon},
            description=text,
            ai_context=f"A mail to sum up: {text}",
            channels=(Channel.IN_APP, Channel.EMAIL)[: 2 - number % 2],
        )
        for number, text in enumerate(there.texts)
    )

    async def answered() -> bool:
        return there.model.told >= len(handles)

    await eventually(answered, within=LONG)
    return handles


def _mailable(found: list[str]) -> list[str]:
    """Of those whose answer goes by mail: a title that hides a line's end is no subject."""
    return [each for each in found[::2] if not each.startswith("=?")]


async def _all_over(there: House, made: list[Handle[TaskCreated]]) -> Counter[str]:
    """Every run that the clock did not start, by its job, once no more are to come."""
    least = 2 * len(made) + len(ROUNDS) + len(_mailable(there.texts))

    async def look() -> Counter[str]:
        runs = await Runs(there.steward.database).list(limit=1_000)
        ours = [each for each in runs if each.id.partition("@")[0] != each.job]
        is_over = len(ours) >= least and all(each.is_over for each in ours)
        waiting = await there.steward.outbox.next(most=9)
        return Counter() if waiting or not is_over else Counter(each.job for each in ours)

    return await eventually(look, within=LONG)


def _allowed(many: int, *, letters: int) -> dict[str, int]:
    """What was asked for, what follows from it, and nothing else."""
    return {
        "ai.create_periodic_task": many,
        "ai.run_task": many,
        "email.send_letter": letters,
        **{each.job.name: 1 for each in ROUNDS},
    }


def _told(runs: Counter[str]) -> str:
    return f"{len(runs.keys() - _allowed(1, letters=1).keys())} outside of the list"


def _see_to_the_mails(post: Capture, *, to: str, answers: int) -> None:
    bare = [each.message for each in post.mails if not each.message.is_multipart()]
    assert len(bare) == answers
    assert all("all that I was told" in str(each.get_payload()) for each in bare)
    for each in post.mails:
        message = each.message
        assert each.recipients == (to,)
        assert [value for name, value in message.items() if name.lower() == "to"] == [to]
        assert {"cc", "bcc", "reply-to"}.isdisjoint(name.lower() for name in message)
        html = message.get_body(("html",))
        assert html is None or not re.search("<(a|img|script|!--)", html.get_content())
    assert all(CANARY not in each.recipients for each in post.mails)


def _see_to_the_model(model: Obedient) -> None:
    """It has no tools, and hears nothing but tasks."""
    asked = str(model.server.asked)
    assert all(not each.get("tools") for each in model.server.asked)
    assert "A mail to sum up" in asked
    assert not any(f"via {each}" in asked for each in ("mail", "file", "feed"))
    assert set(model.server.keys) == {f"Bearer {SECRETS['STEWARD_AI__API_KEY']}"}


def _see_to_secrets(there: House, *shown: str) -> None:
    """Neither what the model was told nor what anybody can read holds one, nor a file of ours."""
    mails = "\n".join(each.content.decode(errors="replace") for each in there.post.mails)
    everything = "\n".join((str(there.model.server.asked), mails, *shown))
    assert [each for each in SECRETS.values() if each in everything] == []
    assert Path("/etc/passwd").read_text().splitlines()[0] not in everything


def _is_whole(there: House) -> bool:
    """Nothing is gone or was changed: of the files that came in each lies somewhere in its room."""
    home = there.home.path
    rooms = [*(home / "files").rglob("*"), *(home / "incoming").iterdir()]
    kept = sorted(each.read_bytes() for each in rooms if each.is_file())
    expected = sorted([b"mine", *(each.encode() for each in there.texts)])
    return kept == expected and (home / "calendar" / "theirs.ics").exists()

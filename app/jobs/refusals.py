"""Tells the owner of accounts that refuse us: once, until they let us in again."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from app.context import Context
from app.services.notifications import Channel

_TITLE: Final = "An account refuses Steward"


@asynccontextmanager
async def telling_of_refusals(ctx: Context) -> AsyncGenerator[None]:
    """Tell of the refusals that the block meets, however it ends. Safe to repeat."""
    try:
        yield
    finally:
        for each in ctx.rests.untold():
            body = (
                f"{each.label[:1].upper()}{each.label[1:]}: {each.why}. It is left alone until "
                f"{each.until}, since accounts are locked for a wrong password. Other settings are "
                "tried as soon as Steward has been started with them."
            )
            await ctx.notifications.send(
                await ctx.users.owner(),
                _TITLE,
                body,
                channels=(Channel.IN_APP,),
                dedupe_key=each.key,
            )
            ctx.rests.told(each)

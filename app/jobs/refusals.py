"""Tells the owner of accounts that refuse us: once, until they let us in again."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from app.context import Context
from app.services.notifications import Channel
from app.services.rests import Refusal

log = logging.getLogger(__name__)

_TITLE: Final = "An account refuses Steward"


@asynccontextmanager
async def telling_of_refusals(ctx: Context) -> AsyncGenerator[None]:
    """Tell of the refusals that the block meets, however it ends. Safe to repeat."""
    try:
        yield
    finally:
        try:
            for each in ctx.rests.untold():
                await _tell(ctx, each)
        except SQLAlchemyError:  # the block's own end counts; the next one tells it
            log.warning("a refusal can't be told now", exc_info=True)


async def _tell(ctx: Context, refusal: Refusal) -> None:
    body = (
        f"{refusal.label[:1].upper()}{refusal.label[1:]}: {refusal.why}. It is left alone until "
        f"{refusal.until}, since accounts are locked for a wrong password. Other settings are "
        "tried as soon as Steward has been started with them."
    )
    await ctx.notifications.send(
        await ctx.users.owner(),
        _TITLE,
        body,
        channels=(Channel.IN_APP,),
        dedupe_key=refusal.key,
    )
    ctx.rests.told(refusal)

"""Whose: the user that `--user` names, or the only one there is."""

from typing import TYPE_CHECKING

from app.cli.failures import Misused

if TYPE_CHECKING:
    from app.context import Services
    from app.storage.users import User


async def person(services: "Services", user_id: int | None) -> "User":
    """Raises `Misused` when nobody is named and there are several."""
    from app.storage.users import UnknownUser

    if user_id is not None:
        return await services.users.get(user_id)
    try:
        return await services.users.only()
    except UnknownUser as error:
        raise Misused(f"{error}, with --user ID") from None

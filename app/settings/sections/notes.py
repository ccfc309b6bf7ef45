"""Notes."""

import re
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.settings.sections.section import Section

_ID = re.compile(r"[0-9a-f]{32}")


class Notion(Section):
    """An integration in Notion, and the database that it shares."""

    token: SecretStr = Field(
        default=SecretStr(""),
        description="the secret of a Notion integration; when empty, notes stay in the home",
    )
    database: str = Field(
        default="", description="the id or the address of the database that is shared with it"
    )
    address: str = Field(default="https://api.notion.com", description="where Notion's API is")

    @field_validator("database")
    @classmethod
    def _an_id(cls, database: str) -> str:
        """The id, out of a link as Notion's menu copies it."""
        path = urlsplit(database.strip()).path.replace("-", "").lower()
        found = [str(each[0]) for each in _ID.finditer(path)]
        if database and not found:
            raise ValueError("must hold the 32 letters and digits of a database's id")
        return found[-1] if found else ""

    @field_validator("address")
    @classmethod
    def _web_address(cls, address: str) -> str:
        parts = urlsplit(address.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("must be an address that begins with https://")
        return address.strip()

    @model_validator(mode="after")
    def _whole(self) -> "Notion":
        has_token = bool(self.token.get_secret_value())
        if has_token and not self.database:
            raise ValueError("TOKEN needs DATABASE")
        if self.database and not has_token:
            raise ValueError("DATABASE needs TOKEN")
        return self


class Notes(Section):
    """Markdown files in the home's notes folder, and what they are kept in step with."""

    notion: Notion = Notion()

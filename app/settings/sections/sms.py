"""Sending SMS."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.settings.sections.section import Section


class Sms(Section):
    """The provider that takes SMS: Twilio, or one that does as Twilio does."""

    base_url: str = Field(
        default="https://api.twilio.com", description="where the API of the SMS provider is"
    )
    account_sid: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_-]*$",
        max_length=100,
        description="the account there; when empty, no SMS are sent",
    )
    auth_token: SecretStr = Field(default=SecretStr(""), description="the account's token")
    sender: str = Field(
        default="",
        max_length=40,
        description="the number or name SMS come from, or the id of a messaging service (MG...)",
    )

    @field_validator("base_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("must be an address that begins with https:// or http://")
        if parts.username or parts.password or parts.query:
            raise ValueError("must be an address without a login or a question mark")
        return url

    @model_validator(mode="after")
    def _whole(self) -> "Sms":
        if self.account_sid and not (self.auth_token.get_secret_value() and self.sender):
            raise ValueError("ACCOUNT_SID needs AUTH_TOKEN and SENDER")
        return self

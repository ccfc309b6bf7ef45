"""What every group of settings is."""

from pydantic import BaseModel


class Section(BaseModel):
    """A group of settings; what it doesn't know, the reader names."""

    model_config = {"extra": "ignore", "frozen": True}

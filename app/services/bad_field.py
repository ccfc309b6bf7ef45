"""Something a user gave that can't be, by the name of its field.

BadField
├── BadSchedule   when a task is to run
└── BadTask       what it is about, and whom it tells
"""


class BadField(ValueError):
    """`field` is wrong; the message says how. No retry makes it right."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class BadSchedule(BadField):
    """A schedule that cannot be."""


class BadTask(BadField):
    """A task that cannot be."""

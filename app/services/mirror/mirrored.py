"""What a sync of a mirror did, in numbers and in words."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Mirrored:
    """How both sides changed; each thing counts once."""

    new: int = 0
    """Things that came from there."""
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    sent_new: int = 0
    """Things of ours that are now there."""
    sent: int = 0
    """Changes of ours that are now there."""
    sent_deleted: int = 0
    conflicts: int = 0
    """Things that were changed on both sides: both are kept."""
    failed: int = 0
    errors: list[str] = field(default_factory=list[str])
    held: dict[str, str] = field(default_factory=dict[str, str])
    """What a person has to say first: marks, and what to do about each, in words."""

    @property
    def is_held(self) -> bool:
        """Whether nothing was done, as a person has to say first what is meant."""
        return bool(self.held)

    @property
    def outward(self) -> int:
        """All that went to the other side."""
        return self.sent_new + self.sent + self.sent_deleted

    @property
    def changes(self) -> int:
        """All that happened on either side."""
        return self.new + self.updated + self.deleted + self.outward

    def fail(self, name: str, reason: object) -> None:
        """Count a thing that could not be synced, and say why."""
        self.failed += 1
        self.errors.append(f"{name}: {reason}")

    def hold(self, mark: str, reason: str) -> None:
        """Say why nothing is done, and what a person can say to that."""
        self.held[mark] = reason
        self.failed += 1
        self.errors.append(reason)

"""What goes out is known by a key, and nobody's is taken for another's, or theirs would be lost."""


class KeyTaken(ValueError):
    """Something to another user went out under this key."""


def refuse_anothers(key: str, *, whose: int, wanted_by: int) -> None:
    """Raises `KeyTaken` when what stands under a key is not this user's."""
    if whose != wanted_by:
        raise KeyTaken(f"the key {key!r} is of something to another user: give each their own")

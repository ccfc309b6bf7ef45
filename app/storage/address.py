"""A mail address, read strictly: what is accepted is written again from its parts.

Only the plain form passes, `name@host` in ASCII: no display name, comment, quoting, encoded word
or control character, which are the ways in for a second recipient. An international domain is
given in its `xn--` form.
"""

import re
from typing import NewType

Address = NewType("Address", str)
"""A mail address that `parse_address` has read."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")
_LONGEST = 254  # RFC 5321, with the angle brackets off
_LONGEST_LOCAL_PART = 64


class InvalidAddress(ValueError):
    """This is not a mail address."""


def parse_address(text: str) -> Address:
    """The address, its domain in lower case; raises `InvalidAddress` for anything else."""
    found = _ADDRESS.fullmatch(text)
    if found is None or "=?" in text or len(text) > _LONGEST or len(found[1]) > _LONGEST_LOCAL_PART:
        raise InvalidAddress(f"{text[:80]!a} is not a mail address such as ann@example.org")
    return Address(f"{found[1]}@{found[2].lower()}")


def domain_of(address: Address) -> str:
    """What stands after the @."""
    return address.rpartition("@")[2]

"""The databases that stories are told on."""

import pytest

everywhere = pytest.mark.parametrize(
    "home", ["sqlite", pytest.param("postgresql", marks=pytest.mark.tier("T2"))], indirect=True
)
"""On each; the longer ones on a server in T2 only."""
everywhere_at_once = pytest.mark.parametrize("home", ["sqlite", "postgresql"], indirect=True)
"""On each, always."""

"""How much a run of the tests tries, and with which seed: `--tier` and `--seed`.

T1 is what every change has to pass, and takes minutes; T2 tries more of the same, T3 a lot more. A
test that is too long for T1 says so with `@pytest.mark.tier("T2")`, and is deselected below. One
whose size depends on the tier asks for it: `tier.of(200, 2_000)`. What is promised within so many
seconds is judged by that from T2 on: `tier.bound(2, loose=10)`.
"""

from enum import StrEnum

import pytest

SEED = 7


class Tier(StrEnum):
    """How much to try."""

    T1 = "T1"
    T2 = "T2"
    T3 = "T3"

    def of(self, *sizes: int) -> int:
        """The size for this tier; the last one also holds above."""
        return sizes[min(list(Tier).index(self), len(sizes) - 1)]

    def bound(self, exact: float, *, loose: float) -> float:
        """How long something may take: `loose` in T1, whose machine is often shared with others."""
        return loose if self is Tier.T1 else exact


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take both options."""
    group = parser.getgroup("steward")
    tiers = [str(tier) for tier in Tier]
    group.addoption("--tier", choices=tiers, default=Tier.T1, help="how much to try (T1)")
    group.addoption("--seed", type=int, default=SEED, help=f"what chance begins with ({SEED})")
    group.addoption("--soak", type=float, default=0.0, help="minutes that a soak lasts at least")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "tier(name): is tried in this tier and in those above")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to a tier above."""
    asked = _asked(config)
    above = [item for item in items if _of(item) > asked]
    config.hook.pytest_deselected(items=above)
    items[:] = [item for item in items if _of(item) <= asked]


@pytest.fixture(scope="session")
def tier(pytestconfig: pytest.Config) -> Tier:
    """How much to try."""
    return _asked(pytestconfig)


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """What a test's own `random.Random(seed)` begins with, so that a failure can be repeated."""
    chosen: int = pytestconfig.option.seed
    return chosen


@pytest.fixture(scope="session")
def soak(pytestconfig: pytest.Config) -> float:
    """How many seconds a soak lasts at least."""
    minutes: float = pytestconfig.option.soak
    return 60 * minutes


def _asked(config: pytest.Config) -> Tier:
    return Tier(config.getoption("--tier"))


def _of(item: pytest.Item) -> Tier:
    mark = item.get_closest_marker("tier")
    return Tier(mark.args[0]) if mark else Tier.T1

"""What the command line of scripts/chaos may say."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

from storm.plan import Plan
from tests.plugins.tiers import SEED

_RUNS = 100_000
_ENDLESS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to do."""

    plan: Plan
    with_cases: bool
    soak: float
    """Minutes of nothing but work, in the place of all else; 0 for none."""


def options(arguments: Sequence[str]) -> Options:
    """What the arguments say; ends the process, in one line, when they can't be right."""
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="A storm of killed workers, a killed Redis and broken connections; then every"
        " case of a fault, at length. Ends with what came of it, and with 1 if a promise broke.",
    )
    parser.add_argument("--runs", type=_count, default=0, help=f"how many ({_RUNS:,})")
    parser.add_argument("--minutes", type=_minutes, default=math.inf, help="enqueue for so long")
    parser.add_argument("--seed", type=int, default=SEED, help=f"what chance begins with ({SEED})")
    parser.add_argument("--no-cases", action="store_true", help="the storm alone")
    parser.add_argument(
        "--soak",
        type=_minutes,
        metavar="MINUTES",
        default=0.0,
        help="instead of all that, work for so long; the worker may not grow",
    )
    said = parser.parse_args(arguments)
    runs = said.runs or (_RUNS if math.isinf(said.minutes) else _ENDLESS)
    plan = Plan(seed=said.seed, runs=runs, seconds=60 * said.minutes)
    return Options(plan=plan, with_cases=not said.no_cases, soak=said.soak)


def _count(word: str) -> int:
    if (number := int(word.replace(",", ""))) < 1:
        raise ValueError(word)
    return number


def _minutes(word: str) -> float:
    if not 0 < (number := float(word)) < math.inf:
        raise ValueError(word)
    return number

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
    said = parser.parse_args(arguments)
    runs = said.runs or (_RUNS if math.isinf(said.minutes) else _ENDLESS)
    plan = Plan(seed=said.seed, runs=runs, seconds=60 * said.minutes)
    return Options(plan=plan, with_cases=not said.no_cases)


def _count(word: str) -> int:
    if (number := int(word.replace(",", ""))) < 1:
        raise ValueError(word)
    return number


def _minutes(word: str) -> float:
    if not 0 < (number := float(word)) < math.inf:
        raise ValueError(word)
    return number

"""Which tests are a job's own: those that name it, then the others of their files."""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from types import FunctionType, ModuleType
from typing import cast

import pytest

from mutation.bodies import AnyJob

NOT_OF_ONE_JOB = "test_jobs"  # what holds for every job there is


def candidates(job: AnyJob, items: Sequence[pytest.Function]) -> list[pytest.Function]:
    """The likeliest first: those whose own lines name the job, in the order in which they stand."""
    named, others = list[pytest.Function](), list[pytest.Function]()
    for item in items:
        module, test = cast("ModuleType", item.module), cast("FunctionType", item.function)
        words = [*_words(job, module)]
        if not words or module.__name__.endswith(NOT_OF_ONE_JOB):
            continue
        pattern = re.compile("|".join(words))
        if pattern.search(inspect.getsource(test)):
            named.append(item)
        elif pattern.search(inspect.getsource(module)):
            others.append(item)
    return [*named, *others]


def _words(job: AnyJob, module: ModuleType) -> Iterator[str]:
    """What the job is called in the test's file; a name that three jobs share is not enough."""
    home = sys.modules[job.function.__module__]
    function = job.name.rpartition(".")[2]
    for name, value in vars(module).items():
        if value is job:
            yield rf"\b{name}\b(?!\.call\b)"
        elif value is home:
            yield rf"\b{name}\.{function}\b"
    yield rf"[\"']{re.escape(job.name)}[\"']"

"""One session of pytest's in which the tests of each job are run while it is emptied.

What tests share (a server, an event loop) is opened once. A test that fails by more than an
exception, as `pytest.raises` does, would take the loop with it; so it is made an exception.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from time import monotonic
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from mutation.bodies import AnyJob, Way, emptied
from mutation.candidates import candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How the tests took one way of emptying one job."""

    job: str
    way: str
    tests: int
    """How many it has."""
    noticed_by: str
    """The test that failed; empty when none did."""
    took: float


class Loop:
    """A plugin that takes the place of pytest's own loop over the tests."""

    def __init__(self, jobs: Sequence[AnyJob], ways: Mapping[str, Way]) -> None:
        self._jobs = jobs
        self._ways = ways
        self.findings = list[Finding]()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every job in every way."""
        items = [each for each in session.items if isinstance(each, pytest.Function)]
        for job in self._jobs:
            own = candidates(job, items)
            for way, make in self._ways.items():
                with emptied(job, make(job)):
                    self.findings.append(_tried(job, way, own, items))
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Have it fail by an exception, whatever it fails by."""
        test = pyfuncitem.obj
        if iscoroutinefunction(test):
            pyfuncitem.obj = _by_exception(test)
        try:
            return (yield)
        finally:
            pyfuncitem.obj = test

    def pytest_report_teststatus(self) -> tuple[str, str, str]:
        """Say nothing of single tests."""
        return "", "", ""


def _tried(
    job: AnyJob, way: str, own: Sequence[pytest.Function], items: Sequence[pytest.Function]
) -> Finding:
    began, noticed_by = monotonic(), ""
    for item in own:
        if _fails(item, items):
            noticed_by = item.name
            break
    took = monotonic() - began
    return Finding(job=job.name, way=way, tests=len(own), noticed_by=noticed_by, took=took)


def _fails(item: pytest.Function, items: Sequence[pytest.Function]) -> bool:
    """Run a test; as if one of another file came next, so that what all share stays open."""
    elsewhere = next(each for each in items if each.module is not item.module)
    reports = runtestprotocol(item, nextitem=elsewhere, log=False)
    if any(each.failed and each.when == "setup" for each in reports):
        raise pytest.UsageError(f"{item.nodeid} could not begin")
    return any(each.failed and each.when == "call" for each in reports)


def _by_exception(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(test)
    async def run(**fixtures: Any) -> None:
        try:
            await test(**fixtures)
        except (Exception, pytest.fail.Exception, BaseExceptionGroup) as error:
            raise AssertionError("it failed") from error

    return run

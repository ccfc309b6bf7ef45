"""What README shows of the benchmark is what was measured last."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import publication, report
from benchmark.measured import Measured
from benchmark.report import Report
from tests.scripts.bench import ROOT, bench

SHOWN = ("results.md", "results.svg", "README.md")


@pytest.fixture
def measured() -> Report:
    """What was published last."""
    return report.load(publication.REPORT)


def publish(found: Report, project: Path) -> str:
    """Publish a report in a copy of the project; what is said of it."""
    shutil.copy(ROOT / "README.md", project)
    (project / ".cache").mkdir()
    report.save(found, project / "report.json")
    path = f"{project / 'scripts'}:{ROOT}"
    return bench("--from", str(project / "report.json"), "--publish", PYTHONPATH=path).stderr


@pytest.mark.parametrize("file", SHOWN)
def test_what_is_shown_is_drawn_from_the_results(file: str, measured: Report) -> None:
    published = publication.published(measured)

    (path,) = (each for each in published if each.name == file)
    assert path.read_text(encoding="utf-8") == published[path]


def test_readme_shows_the_rows_that_matter_and_the_whole_table_every_one(measured: Report) -> None:
    shown, whole = (
        {line.split(" | ")[0].removeprefix("| ") for line in path.read_text().splitlines()}
        for path in (ROOT / "README.md", publication.REPORT.with_name("results.md"))
    )

    assert shown & {*measured.rows} == {*publication.SHOWN}
    assert {*measured.rows, *measured.aside_rows} <= whole


def test_what_is_published_was_measured_without_faults(measured: Report) -> None:
    assert not measured.has_faults
    assert measured.command.startswith("scripts/bench")


def test_publishing_puts_new_figures_in_the_place_of_the_old(
    measured: Report, project: Path
) -> None:
    said = publish(replace(measured, machine="another machine"), project)

    readme = (project / "README.md").read_text()
    assert said == ""
    assert "another machine" in readme
    assert measured.machine not in readme
    assert readme.count("## ") == (ROOT / "README.md").read_text().count("## ")
    assert "another machine" in (project / "scripts" / "benchmark" / "results.md").read_text()


def test_faults_are_not_published(measured: Report, project: Path) -> None:
    row = measured.rows[0]
    measured.rounds[measured.contestants[0]].append(Measured(faults={row: "1 lost"}))

    said = publish(measured, project)

    assert "not published, for it has faults" in said
    assert (project / "README.md").read_text() == (ROOT / "README.md").read_text()
    assert report.load(project / ".cache" / "faulty-bench.json").has_faults

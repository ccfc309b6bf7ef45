"""What README shows of the benchmark is what was measured last."""

import pytest

from benchmark import publication, report


@pytest.mark.parametrize("file", ["results.md", "results.svg", "README.md"])
def test_what_is_shown_is_drawn_from_the_results(file: str) -> None:
    published = publication.published(report.load(publication.REPORT))

    (path,) = (each for each in published if each.name == file)
    assert path.read_text(encoding="utf-8") == published[path]


def test_what_is_published_was_measured_whole_and_without_faults() -> None:
    found = report.load(publication.REPORT)

    assert not found.has_faults
    assert found.command.startswith("scripts/bench")

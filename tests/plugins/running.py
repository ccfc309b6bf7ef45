"""Runs pytest with the plugins here on a file of tests, as scripts/test does with ours."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CONFIG = "[pytest]\nmarkers =\n    case(number): proves a case\n"
_PLUGINS = ("tests.plugins.tiers", "tests.plugins.cases", "xdist", "no:cacheprovider")


def pytest_in(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run these tests in this folder, to their end."""
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text(_CONFIG)
    plugins = (word for name in _PLUGINS for word in ("-p", name))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--strict-markers", *plugins, *options, "test_it.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=40,
    )

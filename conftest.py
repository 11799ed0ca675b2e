"""What every test and every doctest starts from; it covers `src/` and `tests/` alike."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# A test sees what the compiler makes now, and the user's own cache is left alone; plots need no
# screen. The workers that run tests side by side are started later and inherit both.
os.environ["DELTARULE_CACHE"] = "off"
os.environ.setdefault("MPLBACKEND", "Agg")

hypothesis.settings.register_profile("deltarule", deadline=None, derandomize=True)
hypothesis.settings.load_profile("deltarule")


@pytest.fixture(autouse=True)
def _names_in_doctests(request):
    """Docstrings may use `np` and `dr` as their readers do."""
    if isinstance(request.node, pytest.DoctestItem):
        import deltarule

        request.getfixturevalue("doctest_namespace").update(np=np, dr=deltarule)


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run a command line in a folder of its own; return exit code, output and errors."""
    from deltarule.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture(scope="session")
def large_data() -> Path:
    """The folder of the large data sets; the test is skipped, aloud, where there is none."""
    folder = os.environ.get("DELTARULE_DATA")
    if not folder:
        pytest.skip("large data: DELTARULE_DATA is not set")
    return Path(folder)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("data") and not os.environ.get("DELTARULE_DATA"):
            item.add_marker(pytest.mark.skip(reason="large data: DELTARULE_DATA is not set"))
        if item.get_closest_marker("native") and os.environ.get("DELTARULE_BACKEND") == "numpy":
            item.add_marker(pytest.mark.skip(reason="needs the compiling back end"))


def pytest_terminal_summary(terminalreporter):
    skipped = [
        report.nodeid
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and "large data:" in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.section("large data", sep="=")
        terminalreporter.line(
            f"NOT RUN: {len(skipped)} tests need large data sets; set DELTARULE_DATA=FOLDER."
        )
        for test in skipped:
            terminalreporter.line(f"    {test}")

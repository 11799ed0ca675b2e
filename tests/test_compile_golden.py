"""The plans of a few known programs are those on file: what a change of the compiler changes is seen."""

from __future__ import annotations

import difflib

import pytest

from golden_plans import FOLDER, PROGRAMS, text_of

COMMAND = "python tests/golden_plans.py"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_plan_is_the_one_on_file(name):
    file = FOLDER / f"{name}.txt"
    old, new = (text.splitlines() for text in (file.read_text(), text_of(name)))
    changes = "\n".join(difflib.unified_diff(old, new, str(file), "now", lineterm=""))
    assert not changes, f"the plan has changed; if that is right, run `{COMMAND}`:\n{changes}"


def test_no_file_is_without_its_program():
    assert sorted(file.stem for file in FOLDER.glob("*.txt")) == sorted(PROGRAMS)

"""docs/coverage.md says what the table of rules and the tested forms say, and what may be opaque is.

In: the script that writes the page. Out: a comparison, and counts.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from deltarule.program import primitives
from deltarule.program.lowering import Opaque
from forms import CASES, SWITCHED_OFF
from test_functions import ALIASES, WRITERS

DOCS = Path(__file__).parents[1] / "docs"
# Whoever adds a primitive that machine code cannot do says here which library does it.
OPAQUE = {
    "linear algebra is LAPACK's": 10,
    "fast Fourier transforms are NumPy's": 3,
    "sorting is NumPy's": 1,
    "Python code": 1,  # a rule of dr.custom_vjp
}


@pytest.fixture(scope="module")
def writer():
    spec = importlib.util.spec_from_file_location("coverage_page", DOCS / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["coverage_page"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_table_says(writer):
    assert (DOCS / "coverage.md").read_text() == writer.page(), "run: python docs/coverage.py"


def test_every_function_with_a_rule_is_on_the_page(writer):
    text = (DOCS / "coverage.md").read_text()
    missing = {row.name for row in writer.rows() if f"`{row.name}`" not in text}
    assert missing - set(ALIASES) - set(WRITERS.split()) == set()


def test_few_checks_are_switched_off():
    assert len(SWITCHED_OFF) <= 10 and all(SWITCHED_OFF.values())


def test_opaque_are_linear_algebra_special_functions_and_sorting():
    found = [p.lowering.reason for p in primitives() if isinstance(p.lowering, Opaque)]
    assert {reason: found.count(reason) for reason in found} == OPAQUE


def test_the_forms_are_many_and_each_once():
    assert len(CASES) > 1200 and len(set(CASES)) == len(CASES)

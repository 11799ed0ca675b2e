"""Each error is a help page: what causes it, an example that raises it, what to do; and no error is mute.

In: the docstrings of ``deltarule.errors``, whose examples run as doctests. Out: pages without a part.
"""

from __future__ import annotations

import doctest
import inspect

import pytest

import deltarule as dr
from deltarule import errors

ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", ERRORS)
def test_a_help_page_has_a_cause_an_example_and_a_cure(kind):
    page = inspect.getdoc(kind)
    cause, cure = page.find("\nCause: "), page.find("\nCure: ")
    assert 0 < cause < cure < page.find("\nExamples\n")
    found = doctest.DocTestParser().get_examples(page)
    if kind is not errors.DeltaruleError:
        raised = [example.exc_msg for example in found if example.exc_msg]
        assert len(raised) == 1
        assert raised[0].startswith(f"deltarule.errors.{kind.__name__}: ")
        assert len(raised[0].split(": ", 1)[1]) > 30 or "..." in raised[0]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_ours_and_one_that_callers_of_numpy_catch(kind):
    assert issubclass(kind, errors.DeltaruleError)
    assert kind is errors.DeltaruleError or len(set(kind.__mro__) - set(ERRORS)) > 3
    assert kind is errors.NoMethodError or getattr(dr, kind.__name__) is kind

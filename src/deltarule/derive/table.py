"""The table of NumPy functions that have a rule for traced values.

In: ``@rule(np.sum)`` above a function written in primitives. Out: ``FUNCTIONS`` and ``UFUNCS``, read by the tracer.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import NoRuleError

Rule = Callable[..., Any]
FUNCTIONS: dict[Any, Rule] = {}
UFUNCS: dict[np.ufunc, Rule] = {}


def rule(*functions: Any) -> Callable[[Rule], Rule]:
    """Declare the rule of NumPy functions of one signature."""

    def declare(f: Rule) -> Rule:
        FUNCTIONS.update(dict.fromkeys(functions, f))
        return f

    return declare


def no_rule(function: Any, place: str) -> NoRuleError:
    """The error for a function without a rule, with the nearest that has one."""
    name = getattr(function, "__name__", str(function))
    known = {f.__name__: f for f in (*FUNCTIONS, *UFUNCS)}
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"np.{near[0]} has one; or" if near else "You can"
    return NoRuleError(
        f"np.{name} has no rule for traced values ({place}). {hint} give {name} a derivative of your own with dr.custom_vjp"
    )


def check_arguments(function: Any, f: Rule, args: Any, kwargs: Any, place: str) -> None:
    """Raise where a NumPy argument is one that the rule does not have."""
    try:
        inspect.signature(f).bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(function, "__name__", str(function))
        forms = inspect.signature(f)
        raise NoRuleError(f"np.{name} is traced in the form {name}{forms}, not with these arguments: {error} ({place})") from None

"""The table of NumPy functions that have a rule for traced values.

In: ``@rule(np.sum)`` above a function written in primitives. Out: ``FUNCTIONS`` and ``UFUNCS``, read by the
tracer.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from deltarule.errors import NoRuleError

Rule = Callable[..., Any]
FUNCTIONS: dict[Any, Rule] = {}
NUMPY: dict[
    str, Rule
] = {}  # the same by name in ``numpy``, whose attributes are replaced while a trace is open
UFUNCS: dict[np.ufunc, Rule] = {}
UFUNC_METHODS: dict[str, Rule] = {}  # of ufuncs that have a rule: reduce, accumulate, reduceat, at


def rule(*functions: Any) -> Callable[[Rule], Rule]:
    """Declare the rule of NumPy functions of one signature. An argument ``out`` is written to here, the
    rule knows it not."""

    def declare(f: Rule) -> Rule:
        parameters = inspect.signature(f).parameters
        entry = f
        if "out" in parameters:
            by_keyword = parameters["out"].kind is inspect.Parameter.KEYWORD_ONLY
            entry = _writing(f, sys.maxsize if by_keyword else list(parameters).index("out"))
        for function in functions:
            FUNCTIONS[function] = entry
            name: str = function.__name__
            if getattr(np, name, None) is function:
                NUMPY[name] = entry
        return f

    return declare


def _writing(f: Rule, place: int) -> Rule:
    """The rule with its result written into ``out``, where one is given."""

    @wraps(f)
    def entry(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if len(args) > place:
            out, args = args[place], (*args[:place], None, *args[place + 1 :])
        y = f(*args, **kwargs)
        if out is None:
            return y
        out = out[0] if isinstance(out, tuple) else out
        NUMPY["copyto"](out, y)
        return out

    return entry


def no_rule(function: Any, place: str, kind: type[NoRuleError] = NoRuleError) -> NoRuleError:
    """The error for a function without a rule, with what to do instead."""
    name = name_of(function)
    cure = INSTEAD.get(name) or _nearest(name.rpartition(".")[2])
    return kind(
        f"{module_of(function)}.{name} has no rule for traced values ({place}): {cure}; or give it a "
        "derivative of your own with dr.custom_vjp; for its "
        "number alone, without a gradient, call it on dr.value(x)"
    )


def name_of(function: Any) -> str:
    """The name of a function, as users write it after that of its module."""
    name = str(getattr(function, "__name__", function))
    owner = getattr(function, "__self__", getattr(function, "__objclass__", None))
    if isinstance(owner, np.ufunc) or owner is np.ndarray:
        return f"{owner.__name__}.{name}"
    return "frompyfunc" if name.endswith("(vectorized)") else name


def module_of(function: Any) -> str:
    """The module of a function, as users write it."""
    if isinstance(function, np.ufunc) and name_of(function) == function.__name__:
        return "np" if hasattr(np, function.__name__) else "scipy.special"
    path = getattr(function, "__module__", None) or "numpy"
    public = ".".join(part for part in path.split(".") if not part.startswith("_"))
    return "np" + public.removeprefix("numpy") if public.startswith("numpy") else public


def _nearest(name: str) -> str:
    """The function with a rule whose name is nearest, if one is near."""
    known = [*NUMPY, *(ufunc.__name__ for ufunc in UFUNCS)]
    near = difflib.get_close_matches(name, known, 1, 0.75)
    return f"np.{near[0]} has one" if near else "write it with functions that have one"


INSTEAD = {
    "eig": "np.linalg.eigh differentiates those of symmetric matrices",
    "eigvals": "np.linalg.eigvalsh differentiates those of symmetric matrices",
    "roots": "np.linalg.eigvalsh of a symmetric matrix has one",
    "sqrtm": "np.linalg.eigh gives that of a symmetric matrix, (v * np.sqrt(w)) @ v.T",
    "logm": "np.linalg.eigh gives that of a symmetric matrix, (v * np.log(w)) @ v.T",
    "lu_factor": "scipy.linalg.solve has one",
    "lu": "scipy.linalg.qr has one",
    "ndarray.resize": "x = np.concatenate([x, np.zeros(n)]) makes an array longer",
    "frompyfunc": "np.vectorize has one",
    "nditer": "np.ndenumerate and np.ndindex have one",
    "fromiter": "np.array(list(...)) has one",
    "frombuffer": "np.copy has one",
    "nextafter": "x + eps has one",
    "frexp": "x / 2**exponent has one",
    "setdiff1d": "x[~np.isin(x, y)] has one",
}


def check_arguments(function: Any, f: Rule, args: Any, kwargs: Any, place: str) -> None:
    """Raise where a NumPy argument is one that the rule does not have."""
    forms = inspect.signature(f)
    try:
        forms.bind(*args, **kwargs)
    except TypeError as error:
        name = name_of(function)
        known = ", ".join(forms.parameters)
        raise NoRuleError(
            f"np.{name} is traced with the arguments ({known}) only: {error} ({place})"
        ) from None

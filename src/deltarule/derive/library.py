"""SciPy's functions on traced values, and NumPy's that do not ask us: ufuncs by their rules, Python
functions by an entry of ours.

In: a SciPy module that is loaded, and rules by name. Out: ``scipy.special.erf(x)`` is NumPy's protocol
and needs a row in a table; ``scipy.linalg.solve(a, b)`` asks for numbers at once, so its code is exchanged,
once, for a call of the rule where an argument is traced, and of the original everywhere else. The function
object stays the same: ``from scipy.special import logsumexp`` reaches the rule as well.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import FrameType, FunctionType, SimpleNamespace
from typing import Any

from deltarule.derive.creation import INTERNAL, callee, holds_traced
from deltarule.derive.table import Rule, check_arguments
from deltarule.program.primitive import Traced

WAITING = {
    "numpy.polynomial": "functions.series",
    "scipy.special": "scipy.special scipy.special_distributions",
    "scipy.linalg": "scipy.linalg scipy.matrices scipy.equations",
    "scipy.stats": "scipy.stats",
    "scipy.signal": "scipy.signal",
    "scipy.integrate": "scipy.integrate",
    "scipy.spatial": "scipy.distance",
    "scipy.fft": "scipy.fft",
}
EXCHANGED: dict[str, tuple[Rule, FunctionType]] = {}


def reach() -> bool:
    """Load the rules for the SciPy modules that are loaded; whether there were any new ones."""
    if not WAITING or sys.modules.keys().isdisjoint(WAITING):
        return False
    found = [name for name in WAITING if name in sys.modules]
    for name in found:
        for rules in WAITING.pop(name).split():
            import_module(f"deltarule.derive.{rules}")
    return bool(found)


def library_rule(function: Any) -> Callable[[Rule], Rule]:
    """Declare the rule of a Python function of SciPy; its code is exchanged for an entry."""

    def declare(rule: Rule) -> Rule:
        name = f"{function.__module__}.{function.__qualname__}"
        code = function.__code__
        original = FunctionType(
            code,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        original.__kwdefaults__ = function.__kwdefaults__
        EXCHANGED[name] = rule, original
        function.__signature__ = inspect.signature(function)
        function.__code__ = _entry(name, code.co_freevars).replace(
            co_name=code.co_name, co_qualname=code.co_qualname
        )
        return rule

    return declare


def _entry(name: str, free: tuple[str, ...]) -> Any:
    """The code of a function that calls ``enter`` with that name, and has the free variables of another: a
    frame without them could not be looked at."""
    text = (
        f"def outer({', '.join(free)}):\n"
        "    def entry(*args, **kwargs):\n"
        f"        from {__name__} import enter\n"
        f"        return enter({name!r}, args, kwargs)\n"
        f"        {', '.join(free) or 'pass'}\n"
        "    return entry\n"
    )
    names: dict[str, Any] = {}
    exec(compile(text, __file__, "exec"), names)
    return names["outer"](*free).__code__


def enter(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The rule where an argument is traced, the function itself otherwise."""
    rule, original = EXCHANGED[name]
    if not any(isinstance(x, Traced) or holds_traced(x) for x in (*args, *kwargs.values())):
        return original(*args, **kwargs)
    try:
        return rule(*args, **kwargs)
    except TypeError:
        from deltarule.derive.trace import caller

        check_arguments(original, rule, args, kwargs, str(caller()))
        raise


def asking() -> Any:
    """Name and module of the SciPy function that the user called, if one of SciPy's is running."""
    frame: FrameType | None = sys._getframe(2)
    below: FrameType | None = None
    while frame is not None and INTERNAL[frame.f_code.co_filename]:
        below, frame = frame, frame.f_back
    if frame is None or below is None:
        return None
    module = str(below.f_globals.get("__name__", ""))
    inner = below.f_locals.get("f")  # what a decorator of SciPy's has wrapped
    module = getattr(inner, "__module__", module) if "._lib." in module else module
    if not module.startswith("scipy."):
        return None
    name = callee(frame.f_code, frame.f_lasti) or below.f_code.co_name
    return SimpleNamespace(__name__=name, __module__=".".join(module.split(".")[:2]))

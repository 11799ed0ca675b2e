"""Array creation inside a traced function: ``np.zeros(3)`` and the like give arrays that traced values can be written to.

In: NumPy's names, replaced while a trace is open. Out: traced constants, for calls from the traced function in its own
thread; every other call (other threads, NumPy and SciPy themselves) gets the original function.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

from deltarule.derive.table import FUNCTIONS
from deltarule.program.primitive import Traced

PLAIN = "zeros ones full empty eye identity arange linspace zeros_like ones_like full_like empty_like".split()
CONVERTING = "array asarray asanyarray ascontiguousarray copy".split()
ORIGINAL = {name: getattr(np, name) for name in (*PLAIN, *CONVERTING)}
FOREIGN = ("numpy", "scipy", "deltarule")

_lock = threading.Lock()
_open = threading.local()
_count = 0


def foreign(module: str) -> bool:
    """Whether the caller is library code, which must get NumPy's own arrays."""
    return module.partition(".")[0] in FOREIGN


def _wrapped(name: str) -> Callable[..., Any]:
    original = ORIGINAL[name]
    converting = name in CONVERTING

    @wraps(original)
    def create(*args: Any, **kwargs: Any) -> Any:
        find = getattr(_open, "find", None)
        trace = find() if find else None
        if trace is None or foreign(sys._getframe(1).f_globals.get("__name__", "")):
            return original(*args, **kwargs)
        first = args[0] if args else None
        if isinstance(first, Traced) or converting:
            return convert(trace, name, original, args, kwargs)
        made = original(*args, **kwargs)
        return trace.constant(made) if made.dtype.kind in "biufc" else made

    return create


def convert(trace: Any, name: str, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``np.array`` of something that may hold traced values, at any depth of lists."""
    from deltarule.derive.functions import array_of  # functions are declared on top of tracers

    if args and isinstance(args[0], Traced):
        return FUNCTIONS[original](*args, **kwargs)
    if args and isinstance(args[0], (list, tuple)) and holds_traced(args[0]):
        return array_of(args[0], *args[1:], **kwargs)
    made = original(*args, **kwargs)
    if name != "array" and args and made is args[0]:
        return made
    return trace.constant(made) if made.dtype.kind in "biufc" else made


def holds_traced(items: Any) -> bool:
    """Whether a nested list has a traced value in it."""
    stack = [items]
    while stack:
        item = stack.pop()
        if isinstance(item, Traced):
            return True
        if isinstance(item, (list, tuple)):
            stack.extend(item)
    return False


_WRAPPED = {name: _wrapped(name) for name in ORIGINAL}


@contextmanager
def creation_traced(find: Callable[[], Any]) -> Iterator[None]:
    """Replace the creation functions of ``numpy`` until the outermost trace of the process ends."""
    global _count
    with _lock:
        _count += 1
        if _count == 1:
            for name, wrapper in _WRAPPED.items():
                setattr(np, name, wrapper)
    outer = getattr(_open, "find", None)
    _open.find = find
    try:
        yield
    finally:
        _open.find = outer
        with _lock:
            _count -= 1
            if _count == 0:
                for name, original in ORIGINAL.items():
                    setattr(np, name, original)

"""Array creation in a traced function: ``np.zeros(3)`` gives an array that traced values can be written to.

In: NumPy's names, replaced while a trace is open. Out: traced constants, for calls from the traced function
in its own thread; every other call (other threads, NumPy and SciPy themselves) gets the original function.
"""

from __future__ import annotations

import dis
import os
import sys
import threading
from collections.abc import Callable
from functools import partial, wraps
from operator import attrgetter
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from deltarule.derive.table import FUNCTIONS, no_rule
from deltarule.program.primitive import Traced

FILLING = "zeros ones full empty zeros_like ones_like full_like empty_like".split()
PLAIN = "eye identity arange linspace tri".split()
CONVERTING = """
    array asarray asanyarray ascontiguousarray asfortranarray require copy asarray_chkfinite
""".split()
GATHERING = """
    sum mean max min amax amin prod std var median average argmax argmin cumsum cumprod dot inner outer
    sort argsort any all clip where diff cross ptp quantile percentile nansum nanmean nanmax nanmin nanstd
    nanvar nanmedian trapezoid flip take delete insert append atleast_1d atleast_2d atleast_3d reshape ravel
    transpose squeeze expand_dims repeat tile roll pad diag tril triu trace interp convolve correlate polyval
    gradient round vdot tensordot kron count_nonzero unique cov corrcoef swapaxes moveaxis broadcast_to
    linalg.norm linalg.solve linalg.inv linalg.det linalg.slogdet linalg.cholesky linalg.eigh linalg.eigvalsh
    linalg.svd linalg.qr linalg.pinv linalg.lstsq linalg.cond linalg.matrix_power linalg.eig linalg.eigvals
    linalg.vector_norm linalg.matrix_norm fft.fft fft.ifft fft.rfft fft.irfft fft.fft2 fft.ifft2 fft.rfft2
    fft.irfft2 fft.fftn fft.ifftn fft.rfftn fft.irfftn fft.hfft fft.ihfft fft.fftshift fft.ifftshift
    flipud fliplr rot90 diagflat vander ediff1d nanprod nancumsum nancumprod nanquantile nanpercentile
    nan_to_num sinc angle real imag partition argpartition searchsorted digitize bincount histogram
    unwrap polyadd polysub polymul polydiv polyder polyint polyfit compress extract apply_along_axis
    ndim shape size matrix_transpose cumulative_sum cumulative_prod isclose allclose array_equal einsum
    meshgrid broadcast_arrays linalg.matrix_rank
""".split()
JOINING = "concatenate stack vstack hstack dstack column_stack".split()
ASKING = ["isscalar"]
REFUSING = ["nditer"]
NAMES = (*ASKING, *REFUSING, *FILLING, *PLAIN, *CONVERTING, *GATHERING, *JOINING)
ORIGINAL: dict[str, Any] = {name: attrgetter(name)(np) for name in NAMES}
LIBRARIES = (
    "numpy scipy pandas polars sklearn matplotlib pyarrow narwhals torch jax "
    "numba statsmodels".split()
)
_HERE = os.path.dirname(os.path.dirname(__file__))
COMMAND_LINE = os.path.join(_HERE, "cli") + os.sep  # where it calls, there is no line of a user
_PACKAGES = os.path.dirname(os.path.dirname(np.__file__))
_INTERNAL_PLACES = (
    _HERE + os.sep,
    *(os.path.join(_PACKAGES, name) + os.sep for name in LIBRARIES),
    "<__array_function__",
)

TRACED_LIBRARIES = (os.path.join(_PACKAGES, "numpy", "polynomial") + os.sep,)
_lock = threading.Lock()
_count = 0


class _Internal(dict[str, bool]):
    """Whether code of a file belongs to deltarule or to a library, not to the user."""

    def __missing__(self, file: str) -> bool:
        found = file.startswith(_INTERNAL_PLACES) and not file.startswith(COMMAND_LINE)
        self[file] = found
        return found


INTERNAL = _Internal()


class _State(threading.local):
    """What is being traced in this thread: the open traces, the innermost last, and the layer's path."""

    def __init__(self) -> None:
        self.traces: list[Any] = []
        self.scope = ""


STATE = _State()


def called_by_user(name: str) -> bool:
    """Whether the function that calls the wrapper is user code, and the call is written there under that
    name.

    A wrapper is called from two frames up. Library code gets NumPy's own arrays, whether it is Python or
    compiled: compiled code has no frame, it shows as a call of something else in the user's frame.
    """
    frame = sys._getframe(2)
    if INTERNAL[frame.f_code.co_filename] and not _traced_library(frame):
        return False
    found = callee(frame.f_code, frame.f_lasti)
    if found == name or (found is None and name in frame.f_code.co_names):
        return True
    return found is not None and frame.f_locals.get(
        found, frame.f_globals.get(found)
    ) is _WRAPPED.get(name, _WRAPPED.get(f"linalg.{name}", _WRAPPED.get(f"fft.{name}")))


def _traced_library(frame: FrameType) -> bool:
    """Whether library code that is traced as the user's own works on traced values there."""
    return frame.f_code.co_filename.startswith(TRACED_LIBRARIES) and holds_traced(
        list(frame.f_locals.values())
    )


def callee(code: CodeType, at: int) -> str | None:
    """The name under which a call instruction calls: ``zeros`` in ``np.zeros(3)``. None where it cannot be
    told."""
    key = (id(code), at)
    if key not in _CALLEES:
        _CALLEES[key] = (_callee(code, at), code)
    return _CALLEES[key][0]


_CALLEES: dict[tuple[int, int], tuple[str | None, CodeType]] = {}


def _callee(code: CodeType, at: int) -> str | None:
    """Among the names loaded from where the call's text begins, that which ends last."""
    start = list(code.co_positions())[at // 2]
    if start[0] is None or start[2] is None:
        return None
    best, name = (-1, -1), None
    for instruction in dis.get_instructions(code):
        where = instruction.positions
        if where is None or instruction.offset >= at or not isinstance(instruction.argval, str):
            continue
        if (where.lineno, where.col_offset) == (start[0], start[2]):
            end = (where.end_lineno or 0, where.end_col_offset or 0)
            if end > best:
                best, name = end, instruction.argval
    return name


def _wrapped(name: str) -> Callable[..., Any]:
    original = ORIGINAL[name]
    if name in REFUSING:
        return _refusing(original)
    if name in GATHERING or name in JOINING:
        return _gathering(name, original)
    make = (
        filled
        if name in FILLING
        else convert
        if name in CONVERTING
        else asked
        if name in ASKING
        else constant
    )

    @wraps(original)
    def create(*args: Any, **kwargs: Any) -> Any:
        if not STATE.traces or not called_by_user(name):
            return original(*args, **kwargs)
        return make(STATE.traces[-1], name, original, args, kwargs)

    return create


def _refusing(original: Any) -> Callable[..., Any]:
    """A class of NumPy's that works on the memory of arrays, which a traced value has not."""

    def refused(*args: Any, **kwargs: Any) -> Any:
        given = args[0] if args else kwargs.get("op")
        traced: list[Any] = [
            x for x in (given, *(given if type(given) is list else ())) if isinstance(x, Traced)
        ]
        if traced:
            raise no_rule(original, traced[0]._place())
        return original(*args, **kwargs)

    return refused


def _gathering(name: str, original: Any) -> Callable[..., Any]:
    """A function of an array, given a list of traced values: NumPy would ask each for its number."""
    last = name.rpartition(".")[2]
    lists = name in JOINING  # of arrays, each of which may be a list

    @wraps(original)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], Traced):  # whom NumPy would ask first
            return args[0].__array_function__(original, (), args, kwargs)
        for x in (*args, *kwargs.values()) if kwargs else args:
            if (type(x) is list or type(x) is tuple) and holds_traced(x):
                break
        else:
            return original(*args, **kwargs)
        if not STATE.traces or not called_by_user(last):
            return original(*args, **kwargs)
        named = {key: _laid_out(x, lists) for key, x in kwargs.items()}
        return original(*(_laid_out(x, lists) for x in args), **named)

    return gathered


def _laid_out(x: Any, items: bool) -> Any:
    """A list of traced values as an array, or each of its items that is such a list."""
    if not holds_traced(x):
        return x
    return [_laid_out(item, False) for item in x] if items else FUNCTIONS[ORIGINAL["array"]](x)


def constant(
    trace: Any, name: str, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What NumPy makes, as a constant of the trace."""
    made = original(*args, **kwargs)
    return (
        trace.constant(made)
        if isinstance(made, np.ndarray) and made.dtype.kind in "biufc"
        else made
    )


def filled(
    trace: Any, name: str, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """One number repeated, which takes no memory and stands as a literal in a graph."""
    value: Any = args[1] if name.startswith("full") and len(args) > 1 else kwargs.get("fill_value")
    if isinstance(value, Traced):
        names = ("shape" if name == "full" else "a", "fill_value", "dtype")
        given: dict[str, Any] = dict(zip(names, args, strict=False)) | kwargs
        if name == "full":
            given["a"] = ORIGINAL["empty"]((), given["fill_value"].dtype)
        return FUNCTIONS[ORIGINAL["full_like"]](**given)
    made = original(*args, **kwargs)
    if isinstance(made, Traced) or made.dtype.kind not in "biufc":
        return made
    if not made.size or (value is not None and np.ndim(value)):
        return trace.constant(made)
    number = made.dtype.type(0) if name.startswith("empty") else made[(0,) * made.ndim]
    found = trace.filled(number, made.shape)
    if not made.flags.c_contiguous:
        trace.strides[found.node] = tuple(step // made.itemsize for step in made.strides)
    return found


def asked(
    trace: Any, name: str, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Whether something is a scalar, which a traced number is."""
    return bool(getattr(args[0], "scalar", False)) or original(*args, **kwargs)


def convert(
    trace: Any, name: str, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """``np.array`` of something that may hold traced values, at any depth of lists."""
    if args and (isinstance(args[0], Traced) or holds_traced(args[0])):
        return FUNCTIONS[original](*args, **kwargs)
    made = original(*args, **kwargs)
    if args and made is args[0]:
        return made
    return trace.constant(made) if made.dtype.kind in "biufc" else made


def holds_traced(items: Any) -> bool:
    """Whether a list, or lists in it, has a traced value in it."""
    if type(items) is not list and type(items) is not tuple:
        return False
    stack: list[Any] = [items]
    while stack:
        for item in stack.pop():
            if isinstance(item, Traced):
                return True
            if isinstance(item, (list, tuple)):
                stack.append(item)
    return False


_WRAPPED = {name: _wrapped(name) for name in NAMES}


def _by_module() -> list[tuple[ModuleType, type[ModuleType]]]:
    """``numpy``, ``linalg`` and ``fft``, each with a class of modules whose attributes of those names are the
    wrappers."""
    classes = []
    for module, prefix in ((np, ""), (np.linalg, "linalg."), (np.fft, "fft.")):
        names = (n for n in NAMES if n.rpartition(".")[0] == prefix.rstrip("."))
        members = {n.removeprefix(prefix): property(partial(_WRAPPED.get, n)) for n in names}
        classes.append((module, type("TracedModule", (ModuleType,), members)))
    return classes


_MODULES = _by_module()


def put_in() -> None:
    """Replace the creation functions of ``numpy``, until as many calls of ``put_back`` have followed.

    A property of a module's class comes before what the module holds: to exchange three classes takes 0.3 us,
    to exchange 181 functions took 10.
    """
    global _count
    with _lock:
        _count += 1
        if _count == 1:
            for module, wrapping in _MODULES:
                module.__class__ = wrapping


def put_back() -> None:
    """NumPy's own functions again, at the end of the outermost trace of the process."""
    global _count
    with _lock:
        _count -= 1
        if _count == 0:
            for module, _ in _MODULES:
                module.__class__ = ModuleType

"""NumPy's universal functions on traced values.

In: a ufunc and operands of any kind. Out: the primitives that compute it, after the casts that NumPy's own
rules prescribe (``ufunc.resolve_dtypes``, Python numbers weak).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.derive.attributes import Flat
from deltarule.derive.creation import holds_traced
from deltarule.derive.library import reach
from deltarule.derive.table import UFUNC_METHODS, UFUNCS, no_rule
from deltarule.derive.tracer import WEAK, Tracer, is_python, plain_call, write_outside
from deltarule.derive.views import fitted
from deltarule.errors import NoRuleError, TypeRuleError
from deltarule.program import Primitive, ops

_PYTHON = (bool, int, float, complex)


@lru_cache(maxsize=4096)
def _resolve(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
    return ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout))


def _kind(x: Any) -> Any:
    if type(x) in _PYTHON:
        return x.__class__ if not isinstance(x, bool) else np.dtype(bool)
    if type(x) is Tracer and x.weak:
        return WEAK[x.dtype.kind] if x.dtype.kind != "b" else x.dtype
    return x.dtype


def example(x: Any) -> Any:
    """What ``np.result_type`` asks for: a dtype, or a Python number."""
    if type(x) in _PYTHON:
        return x
    return WEAK[x.dtype.kind]() if type(x) is Tracer and x.weak else x.dtype


class _Mode(threading.local):
    network = False


_MODE = _Mode()


@contextmanager
def network_types() -> Iterator[None]:
    """The dtype rule inside networks, whose weights are float32 by default.

    A float64 number that is not traced, such as ``np.sqrt(2 / np.pi)``, counts as a Python float; a float64
    array that meets float32 is an error, since it would make everything after it float64.
    """
    outer, _MODE.network = _MODE.network, True
    try:
        yield
    finally:
        _MODE.network = outer


def _check_widening(operands: Sequence[Any]) -> None:
    arrays = [x for x in operands if isinstance(x, (Tracer, np.ndarray)) and x.ndim]
    narrow = next((x for x in arrays if isinstance(x, Tracer) and x.dtype == np.float32), None)
    wide = next((x for x in arrays if x.dtype == np.float64), None)
    if narrow is not None and wide is not None:
        raise TypeRuleError(
            f"a float64 array of shape {wide.shape} meets {narrow._node.type} in a float32 "
            f"network ({narrow._place()}). Convert it, "
            "x.astype(np.float32), or make the network float64: net.init(shape, seed, "
            "dtype='float64')"
        )


def operand(x: Any) -> Any:
    """An operand with shape and dtype, or a Python number."""
    if _MODE.network and isinstance(x, np.floating):
        return float(x)
    if isinstance(x, (Tracer, np.ndarray, np.generic)) or type(x) in _PYTHON:
        return x
    if isinstance(x, (list, tuple)):
        return joined(x)
    if isinstance(x, Flat):
        return x.x.flatten()
    return np.asarray(x)


def joined(items: Any) -> Any:
    """``np.array`` of nested lists that may hold traced values."""
    if not holds_traced(items):
        return np.array(items)
    parts = common(*map(_item, items))
    shapes = {x.shape for x in parts}
    if len(shapes) > 1:
        raise ValueError(
            f"an array is to be made of parts of different shapes: {', '.join(map(str, shapes))}"
        )
    return ops.concatenate(*(ops.reshape(x, shape=(1, *x.shape)) for x in parts), axis=0)


def _item(x: Any) -> Any:
    """An item of a list that becomes an array: there a Python number has a type of its own."""
    if isinstance(x, (list, tuple)):
        return joined(x)
    if _MODE.network or not is_python(x):
        return x
    return strengthened(x) if isinstance(x, Tracer) else np.asarray(x)[()]


def strengthened(x: Tracer) -> Tracer:
    """A traced Python number as NumPy's."""
    return Tracer(x.within, x.node, x.scalar)


def convert(x: Any, dtype: np.dtype[Any]) -> Any:
    """``x`` with that dtype; numbers become NumPy scalars."""
    if type(x) in _PYTHON:
        return dtype.type(x)
    return x if x.dtype == dtype else ops.cast(x, dtype=dtype)


def promoted(ufunc: np.ufunc, args: tuple[Any, ...]) -> list[Any]:
    """Operands cast as NumPy would cast them for ``ufunc``."""
    operands = [operand(x) for x in args]
    if _MODE.network:
        _check_widening(operands)
    dtypes = _resolve(ufunc, tuple(_kind(x) for x in operands))
    return [convert(x, dtype) for x, dtype in zip(operands, dtypes, strict=False)]


def common(*args: Any) -> list[Any]:
    """Operands cast to their one result type."""
    operands = [operand(x) for x in args]
    kinds = {getattr(x, "dtype", None) for x in operands}
    if len(kinds) == 1 and None not in kinds and not any(map(is_python, operands)):
        return operands
    if _MODE.network:
        _check_widening(operands)
    dtype = np.result_type(*map(example, operands))
    return [convert(x, dtype) for x in operands]


def ufunc_rule(*ufuncs: np.ufunc) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the rule of a ufunc, written for operands that are cast already."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        for ufunc in ufuncs:
            UFUNCS[ufunc] = casting(ufunc, f)
        return f

    return declare


def raw_rule(ufunc: np.ufunc) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the rule of a ufunc that takes its operands as they are given."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        UFUNCS[ufunc] = f
        return f

    return declare


def casting(ufunc: np.ufunc, f: Callable[..., Any]) -> Callable[..., Any]:
    """The rule with casts before it, which floats do not need that are of one dtype already."""
    n = ufunc.nin
    kept = {loop[0] for loop in ufunc.types if loop[0] in "efd" and loop[:n] == loop[0] * n}
    plain = type(f) is Primitive

    def unary(x: Any) -> Any:
        if type(x) is Tracer and x._node.type.dtype.char in kept:
            return x.within.record(f, (x,)) if plain else f(x)
        return f(*promoted(ufunc, (x,)))

    def several(*args: Any) -> Any:
        first = args[0].dtype if type(args[0]) is Tracer else None
        if first is None or first.char not in kept:
            return f(*promoted(ufunc, args))
        for x in args:
            if type(x) is not Tracer or x.weak or x._node.type.dtype is not first:
                return f(*promoted(ufunc, args))
        return f(*args)

    return unary if n == 1 else several


def apply_method(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What ``__array_ufunc__`` asks for."""
    place = next(x._place() for x in (*inputs, *kwargs.get("out", ())) if isinstance(x, Tracer))
    written = inputs[0] if method == "at" else kwargs.get("out", (None,))[0]
    if isinstance(written, np.ndarray):
        return write_outside(
            ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs
        )
    if ufunc not in UFUNCS and reach():
        return apply_method(ufunc, method, inputs, kwargs)
    if ufunc not in UFUNCS:
        return plain_call(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs)
    if method == "outer":
        a, b = (_with_shape(operand(x)) for x in inputs)
        inputs = (ops.reshape(a, shape=(*a.shape, *(1,) * len(b.shape))), b)
    elif method in UFUNC_METHODS:
        return UFUNC_METHODS[method](ufunc, place, *inputs, **kwargs)
    elif method != "__call__":
        raise no_rule(ufunc, f"{place}, in the form .{method}")
    return _call(ufunc, inputs, kwargs, place)


def _with_shape(x: Any) -> Any:
    return x if hasattr(x, "shape") else np.asarray(x)


_UNDERSTOOD: dict[str, tuple[Any, ...]] = {
    "casting": ("same_kind", "unsafe"),
    "order": ("K", "A", "C"),
    "subok": (True, False),
}


def _call(ufunc: np.ufunc, inputs: Any, kwargs: Any, place: str) -> Any:
    outs = kwargs.pop("out", (None,) * ufunc.nout)
    where = kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    if unknown := [k for k, value in kwargs.items() if value not in _UNDERSTOOD.get(k, ())]:
        raise NoRuleError(
            f"np.{ufunc.__name__}({unknown[0]}=...) is not traced ({place}); leave the argument out"
        )
    if dtype is not None and np.dtype(dtype).kind == "f":
        inputs = [ops.cast(_with_shape(operand(x)), dtype=np.dtype(dtype)) for x in inputs]
    with np.errstate() if where is True else np.errstate(all="ignore"):
        y = UFUNCS[ufunc](*inputs)
    if dtype is not None and y.dtype != np.dtype(dtype):
        raise NoRuleError(
            f"np.{ufunc.__name__}(dtype={dtype}) is not traced ({place}); use astype on the result"
        )
    use = ufunc.__name__ if kwargs.get("casting") != "unsafe" else None
    if ufunc.nout == 1:
        return _written(y, outs[0], where, use, ufunc, place)
    pairs = zip(y, outs, strict=True)
    return tuple(_written(part, out, where, use, ufunc, place) for part, out in pairs)


def _written(y: Any, out: Any, where: Any, use: str | None, ufunc: np.ufunc, place: str) -> Any:
    """The result, in ``out`` where one is given; there only where ``where`` holds."""
    if out is None:
        if where is not True:
            raise NoRuleError(
                f"np.{ufunc.__name__}(where=...) without out= leaves elements undefined "
                f"({place}); use np.where"
            )
        return y
    new = fitted(y, out, use)
    out.assign(
        new if where is True else ops.select(truth(where), new, Tracer(out.within, out.node))
    )
    return out


def is_bool(x: Any) -> bool:
    """Whether the elements are bools."""
    return bool(x.dtype == np.bool_)


def truth(x: Any) -> Any:
    """``x != 0`` as bools."""
    x = operand(x)
    if not hasattr(x, "dtype"):
        x = np.asarray(x)[()]
    return x if is_bool(x) else ops.ne(x, x.dtype.type(0))

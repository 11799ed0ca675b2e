"""NumPy's universal functions on traced values.

In: a ufunc and operands of any kind. Out: the primitives that compute it, after the casts that NumPy's own rules prescribe
(``ufunc.resolve_dtypes``, Python numbers weak).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.derive.table import FUNCTIONS, UFUNCS, no_rule
from deltarule.derive.tracer import Tracer, plain_call
from deltarule.derive.views import fitted
from deltarule.errors import NoRuleError, TracedValueError, TypeRuleError
from deltarule.program import ops

_PYTHON = (bool, int, float, complex)


@lru_cache(maxsize=4096)
def _resolve(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
    return ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout))


def _kind(x: Any) -> Any:
    if type(x) in _PYTHON:
        return x.__class__ if not isinstance(x, bool) else np.dtype(bool)
    return x.dtype


class _Mode(threading.local):
    network = False


_MODE = _Mode()


@contextmanager
def network_types() -> Iterator[None]:
    """The dtype rule inside networks, whose weights are float32 by default.

    A float64 number that is not traced, such as ``np.sqrt(2 / np.pi)``, counts as a Python float; a float64 array that meets
    float32 is an error, since it would make everything after it float64.
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
            f"a float64 array of shape {wide.shape} meets {narrow._node.type} in a float32 network ({narrow._place()}). Convert it, "
            "x.astype(np.float32), or make the network float64: net.init(shape, seed, dtype='float64')"
        )


def operand(x: Any) -> Any:
    """An operand with shape and dtype, or a Python number."""
    if _MODE.network and isinstance(x, np.floating):
        return float(x)
    if isinstance(x, (Tracer, np.ndarray, np.generic)) or type(x) in _PYTHON:
        return x
    if isinstance(x, (list, tuple)):
        return np.array(x)
    return np.asarray(x)


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
    if _MODE.network:
        _check_widening(operands)
    dtype = np.result_type(*(x if type(x) in _PYTHON else x.dtype for x in operands))
    return [convert(x, dtype) for x in operands]


def ufunc_rule(*ufuncs: np.ufunc) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the rule of a ufunc, written for operands that are cast already."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        for ufunc in ufuncs:
            UFUNCS[ufunc] = _casting(ufunc, f)
        return f

    return declare


def _casting(ufunc: np.ufunc, f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: f(*promoted(ufunc, args))


def apply_method(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``__array_ufunc__`` asks for."""
    traced = next((x for x in (*inputs, *kwargs.get("out", ())) if isinstance(x, Tracer)), None)
    place = traced._place() if traced is not None else ""
    if method == "at":
        return _at(ufunc, *inputs)
    if method == "reduce" and ufunc in _REDUCTIONS:
        return FUNCTIONS[_REDUCTIONS[ufunc]](*inputs, **{"axis": 0, **kwargs})
    if ufunc not in UFUNCS:
        return plain_call(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs)
    if method != "__call__":
        raise no_rule(getattr(ufunc, method), place)
    return _call(ufunc, inputs, kwargs, place)


_REDUCTIONS = {np.add: np.sum, np.maximum: np.max, np.minimum: np.min, np.multiply: np.prod}


def _call(ufunc: np.ufunc, inputs: Any, kwargs: Any, place: str) -> Any:
    out = kwargs.pop("out", (None,))[0]
    where = kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    if unknown := [key for key, value in kwargs.items() if not (key == "casting" and value == "same_kind")]:
        raise NoRuleError(f"np.{ufunc.__name__}({unknown[0]}=...) is not traced ({place}); leave the argument out")
    y = UFUNCS[ufunc](*inputs)
    if dtype is not None:
        y = ops.cast(y, dtype=np.dtype(dtype))
    if out is None:
        if where is not True:
            raise NoRuleError(f"np.{ufunc.__name__}(where=...) without out= leaves elements undefined ({place}); use np.where")
        return y
    if not isinstance(out, Tracer):
        raise TracedValueError(
            f"np.{ufunc.__name__}(out=...) writes a traced value into an array made outside the function ({place}). Make the array "
            "inside it"
        )
    new = fitted(y, out, ufunc)
    out.assign(new if where is True else ops.select(*_mask(where, out.shape), new, out.reshape(out.shape)))
    return out


def _mask(where: Any, shape: tuple[int, ...]) -> list[Any]:
    return [where if isinstance(where, Tracer) else np.asarray(where, bool)]


def _at(ufunc: np.ufunc, target: Any, index: Any, *values: Any) -> None:
    from deltarule.derive.indexing import add_at

    if not isinstance(target, Tracer):
        raise TracedValueError(f"np.{ufunc.__name__}.at writes a traced value into an array made outside the function")
    if ufunc not in (np.add, np.subtract):
        raise no_rule(ufunc, target._place() + ", in the form .at")
    value = values[0] if ufunc is np.add else UFUNCS[np.negative](values[0])
    add_at(target, index, value)


def _is_bool(x: Any) -> bool:
    return bool(x.dtype == np.bool_)


for _ufunc, _primitive in {
    np.subtract: ops.sub,
    np.divide: ops.div,
    np.negative: ops.neg,
    np.exp: ops.exp,
    np.log: ops.log,
    np.log1p: ops.log1p,
    np.expm1: ops.expm1,
    np.sqrt: ops.sqrt,
    np.tanh: ops.tanh,
    np.sin: ops.sin,
    np.cos: ops.cos,
    np.power: ops.power,
    np.float_power: ops.power,
    np.maximum: ops.maximum,
    np.minimum: ops.minimum,
    np.absolute: ops.abs,
    np.fabs: ops.abs,
    np.sign: ops.sign,
    np.floor: ops.floor,
    np.equal: ops.eq,
    np.not_equal: ops.ne,
    np.less: ops.lt,
    np.less_equal: ops.le,
    np.greater: ops.gt,
    np.greater_equal: ops.ge,
    np.bitwise_and: ops.and_,
    np.bitwise_or: ops.or_,
    np.right_shift: ops.shift_right,
}.items():
    ufunc_rule(_ufunc)(_primitive)


@ufunc_rule(np.add)
def _add(a: Any, b: Any) -> Any:
    return ops.or_(a, b) if _is_bool(a) else ops.add(a, b)


@ufunc_rule(np.multiply)
def _multiply(a: Any, b: Any) -> Any:
    return ops.and_(a, b) if _is_bool(a) else ops.mul(a, b)


@ufunc_rule(np.positive)
def _positive(x: Any) -> Any:
    return x + x.dtype.type(0)


@ufunc_rule(np.square)
def _square(x: Any) -> Any:
    return x * x


@ufunc_rule(np.reciprocal)
def _reciprocal(x: Any) -> Any:
    return 1 / x


@ufunc_rule(np.exp2)
def _exp2(x: Any) -> Any:
    return ops.exp(x * float(np.log(2)))


@ufunc_rule(np.log2)
def _log2(x: Any) -> Any:
    return ops.log(x) / float(np.log(2))


@ufunc_rule(np.log10)
def _log10(x: Any) -> Any:
    return ops.log(x) / float(np.log(10))


@ufunc_rule(np.tan)
def _tan(x: Any) -> Any:
    return ops.sin(x) / ops.cos(x)


@ufunc_rule(np.sinh)
def _sinh(x: Any) -> Any:
    e = ops.expm1(ops.abs(x))
    return ops.sign(x) * (e + e / (e + 1)) * 0.5


@ufunc_rule(np.cosh)
def _cosh(x: Any) -> Any:
    return (ops.exp(x) + ops.exp(-x)) * 0.5


@ufunc_rule(np.logaddexp)
def _logaddexp(a: Any, b: Any) -> Any:
    return ops.maximum(a, b) + ops.log1p(ops.exp(-ops.abs(a - b)))


@ufunc_rule(np.ceil)
def _ceil(x: Any) -> Any:
    return -ops.floor(-x)


@ufunc_rule(np.floor_divide)
def _floor_divide(a: Any, b: Any) -> Any:
    if a.dtype.kind == "f":
        return ops.floor(a / b)
    wide = ops.floor(ops.cast(a, dtype=np.dtype(float)) / ops.cast(b, dtype=np.dtype(float)))
    return ops.cast(wide, dtype=a.dtype)


@ufunc_rule(np.remainder)
def _remainder(a: Any, b: Any) -> Any:
    return a - b * _floor_divide(a, b)


@ufunc_rule(np.isnan)
def _isnan(x: Any) -> Any:
    return ops.ne(x, x)


@ufunc_rule(np.isfinite)
def _isfinite(x: Any) -> Any:
    return ops.eq(x - x, x.dtype.type(0))


def truth(x: Any) -> Any:
    """``x != 0`` as bools."""
    x = operand(x)
    if not hasattr(x, "dtype"):
        x = np.asarray(x)[()]
    return x if _is_bool(x) else ops.ne(x, x.dtype.type(0))


UFUNCS[np.logical_and] = lambda a, b: ops.and_(truth(a), truth(b))
UFUNCS[np.logical_or] = lambda a, b: ops.or_(truth(a), truth(b))
UFUNCS[np.logical_not] = lambda x: ops.not_(truth(x))
UFUNCS[np.invert] = lambda x: ops.not_(x) if _is_bool(x) else -x - 1


def _matmul(a: Any, b: Any) -> Any:
    a, b = common(a, b)
    if not a.shape or not b.shape:
        raise ValueError(f"matmul takes no scalars: the arguments have shapes {a.shape} and {b.shape}; use *")
    left = ops.reshape(a, shape=(1, *a.shape)) if len(a.shape) == 1 else a
    right = ops.reshape(b, shape=(*b.shape, 1)) if len(b.shape) == 1 else b
    out = ops.matmul(left, right)
    shape = out.shape
    if len(b.shape) == 1:
        shape = shape[:-1]
    if len(a.shape) == 1:
        shape = shape[: len(shape) - 1 - (len(b.shape) > 1)] + shape[len(shape) - (len(b.shape) > 1) :]
    return out if shape == out.shape else ops.reshape(out, shape=shape)


UFUNCS[np.matmul] = _matmul

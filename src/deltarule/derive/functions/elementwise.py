"""NumPy's universal functions, each written in primitives.

In: operands that are cast already (but where said otherwise). Out: traced values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.derive.functions.arguments import as_array, as_float
from deltarule.derive.table import NUMPY, UFUNCS, rule
from deltarule.derive.tracer import Tracer
from deltarule.derive.ufuncs import (
    common,
    is_bool,
    operand,
    promoted,
    raw_rule,
    truth,
    ufunc_rule,
)
from deltarule.errors import BranchError
from deltarule.program import ops
from deltarule.program.ops.complex import conj
from deltarule.program.ops.parts import cosh, sinh
from deltarule.program.ops.smooth import is_finite

_PRIMITIVES: dict[np.ufunc, Callable[..., Any]] = {
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
    np.maximum: ops.maximum,
    np.minimum: ops.minimum,
    np.fabs: ops.abs,
    np.arctan: ops.arctan,
    np.arcsin: ops.arcsin,
    np.arccos: ops.arccos,
    np.arctan2: ops.arctan2,
    np.floor_divide: ops.floor_divide,
    np.remainder: ops.remainder,
    np.equal: ops.eq,
    np.not_equal: ops.ne,
    np.less: ops.lt,
    np.less_equal: ops.le,
    np.greater: ops.gt,
    np.greater_equal: ops.ge,
    np.bitwise_and: ops.and_,
    np.bitwise_or: ops.or_,
    np.right_shift: ops.shift_right,
    np.hypot: ops.hypot,
    np.logaddexp: ops.logaddexp,
}
for _ufunc, _primitive in _PRIMITIVES.items():
    ufunc_rule(_ufunc)(_primitive)


@ufunc_rule(np.add)
def _add(a: Any, b: Any) -> Any:
    return ops.or_(a, b) if is_bool(a) else ops.add(a, b)


@ufunc_rule(np.multiply)
def _multiply(a: Any, b: Any) -> Any:
    return ops.and_(a, b) if is_bool(a) else ops.mul(a, b)


@ufunc_rule(np.positive)
def _positive(x: Any) -> Any:
    return ops.reshape(x, shape=x.shape)


@ufunc_rule(np.square)
def _square(x: Any) -> Any:
    return ops.square(x) if x.dtype.kind == "f" else x * x


@ufunc_rule(np.reciprocal)
def _reciprocal(x: Any) -> Any:
    return 1 / x


@ufunc_rule(np.exp2)
def _exp2(x: Any) -> Any:
    return x.dtype.type(2) ** x


@ufunc_rule(np.log2)
def _log2(x: Any) -> Any:
    return _exact(ops.log(x) / float(np.log(2)))


@ufunc_rule(np.log10)
def _log10(x: Any) -> Any:
    return _exact(ops.log(x) / float(np.log(10)))


def _exact(y: Any) -> Any:
    """An integer where y is one but for its last bits: people round these, log10(1000) down to 3."""
    if y.dtype.kind == "c":
        return y
    fixed = ops.stop_gradient(y)
    whole = ops.rint(fixed)
    with np.errstate(invalid="ignore"):  # infinity from itself
        left = whole - fixed
    reach = float(2 * np.finfo(y.dtype).eps)
    near = ops.le(ops.abs(left), reach * ops.abs(whole))
    return y + ops.select(near, left, y.dtype.type(0))


def is_complex(x: Any) -> bool:
    """Whether the elements are complex."""
    return bool(x.dtype.kind == "c")


def turned(f: Callable[[Any], Any], z: Any) -> Any:
    """-i f(iz): each of tan, tanh and their inverses from the other."""
    i = z.dtype.type(1j)
    return -i * f(i * z)


@ufunc_rule(np.conjugate)
def _conjugate(x: Any) -> Any:
    return conj(x) if is_complex(x) else ops.reshape(x, shape=x.shape)


@ufunc_rule(np.tan)
def _tan(x: Any) -> Any:
    return turned(ops.tanh, x) if is_complex(x) else ops.sin(x) / ops.cos(x)


@ufunc_rule(np.sinh)
def _sinh(x: Any) -> Any:
    return sinh(x) if is_complex(x) else ops.sinh(x)


@ufunc_rule(np.cosh)
def _cosh(x: Any) -> Any:
    return cosh(x) if is_complex(x) else ops.cosh(x)


def _odd(x: Any, f: Callable[[Any], Any]) -> Any:
    """f for x >= 0 and -f(-x) for x < 0, with the derivatives of f at 0: the sign is a constant."""
    one = x.dtype.type(1)
    sign = ops.select(ops.lt(x, 0 * one), -one, one)
    return sign * f(sign * x)


@ufunc_rule(np.arcsinh)
def _arcsinh(x: Any) -> Any:
    if is_complex(x):
        return turned(ops.arcsin, x)

    def positive(x: Any) -> Any:
        root = ops.hypot(x, x.dtype.type(1))
        return ops.log1p(x + x * (x / (1 + root)))

    return _odd(x, lambda x: _or_log(x, positive))


def _or_log(x: Any, f: Callable[[Any], Any]) -> Any:
    """f(x), which is log(2x) where 1 is nothing beside x: there f overflows."""
    two = x.dtype.type(2)
    large = ops.gt(x, x.dtype.type(1 / np.finfo(x.dtype).eps))
    found = ops.log(ops.select(large, x, two)) + float(np.log(2))
    return ops.select(large, found, f(ops.select(large, two, x)))


@ufunc_rule(np.arccosh)
def _arccosh(x: Any) -> Any:
    if is_complex(x):
        return 2 * ops.log(ops.sqrt((x + 1) * 0.5) + ops.sqrt((x - 1) * 0.5))
    return _or_log(x, lambda x: ops.log1p((x - 1) + ops.sqrt(x - 1) * ops.sqrt(x + 1)))


@ufunc_rule(np.arctanh)
def _arctanh(x: Any) -> Any:
    if is_complex(x):
        return turned(ops.arctan, x)
    return (ops.log1p(x) - ops.log1p(-x)) * 0.5


@ufunc_rule(np.cbrt)
def _cbrt(x: Any) -> Any:
    return _odd(x, lambda x: _exact(x ** (1 / 3)))


@ufunc_rule(np.deg2rad, np.radians)
def _radians(x: Any) -> Any:
    return x * float(np.pi / 180)


@ufunc_rule(np.rad2deg, np.degrees)
def _degrees(x: Any) -> Any:
    return x * float(180 / np.pi)


@ufunc_rule(np.heaviside)
def _heaviside(x: Any, middle: Any) -> Any:
    none, one = x.dtype.type(0), x.dtype.type(1)
    side = ops.select(ops.lt(x, none), none, one)
    found = ops.select(ops.eq(x, none), middle, side)
    return ops.select(ops.ne(x, x), x, found)


@ufunc_rule(np.signbit)
def _signbit(x: Any) -> Any:
    """The angle of (-1, x), which tells -0.0 from 0.0."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    return ops.lt(ops.arctan2(x, -one), zero)


@ufunc_rule(np.copysign)
def _copysign(x: Any, sign: Any) -> Any:
    return ops.select(_signbit(sign), -ops.abs(x), ops.abs(x))


def _unless_nan(extreme: Any) -> Callable[[Any, Any], Any]:
    def choose(a: Any, b: Any) -> Any:
        found = ops.select(ops.ne(b, b), a, extreme(a, b))
        return ops.select(ops.ne(a, a), b, found)

    return choose


ufunc_rule(np.fmax)(_unless_nan(ops.maximum))
ufunc_rule(np.fmin)(_unless_nan(ops.minimum))


@ufunc_rule(np.fmod)
def _fmod(a: Any, b: Any) -> Any:
    size = ops.abs(b)
    below = -ops.remainder(-a, size)
    return ops.select(ops.lt(a, 0 * a), below, ops.remainder(a, size))


@ufunc_rule(np.logaddexp2)
def _logaddexp2(a: Any, b: Any) -> Any:
    two = float(np.log(2))
    return ops.logaddexp(a * two, b * two) / two


@ufunc_rule(np.invert)
def _invert(x: Any) -> Any:
    return ops.not_(x) if is_bool(x) else -x - 1


def _of_floats(f: Any) -> Callable[[Any], Any]:
    """Rounding, which leaves integers and bools as they are."""
    return lambda x: f(x) if x.dtype.kind == "f" else ops.reshape(x, shape=x.shape)


ufunc_rule(np.floor)(_of_floats(ops.floor))
ufunc_rule(np.rint)(_of_floats(ops.rint))
ufunc_rule(np.ceil)(_of_floats(lambda x: -ops.floor(-x)))
ufunc_rule(np.trunc)(
    _of_floats(lambda x: ops.select(ops.lt(x, x.dtype.type(0)), -ops.floor(-x), ops.floor(x)))
)


@ufunc_rule(np.absolute)
def _absolute(x: Any) -> Any:
    if is_complex(x):
        return ops.hypot(ops.real(x), ops.imag(x))
    return x if is_bool(x) else ops.abs(x)


@ufunc_rule(np.sign)
def _sign(x: Any) -> Any:
    """Of a complex number the one of size 1 in its direction, 0 of 0."""
    if not is_complex(x):
        return ops.sign(x)
    zero = ops.eq(x, x.dtype.type(0))
    safe = ops.select(zero, x.dtype.type(1), x)
    return ops.select(zero, x.dtype.type(0), safe / _absolute(safe))


@ufunc_rule(np.isnan)
def _isnan(x: Any) -> Any:
    return ops.ne(x, x)


@ufunc_rule(np.isinf)
def _isinf(x: Any) -> Any:
    if is_complex(x):
        return ops.or_(_isinf(ops.real(x)), _isinf(ops.imag(x)))
    return ops.eq(ops.abs(x), x.dtype.type(np.inf)) if x.dtype.kind == "f" else ops.ne(x, x)


ufunc_rule(np.isfinite)(is_finite)


@ufunc_rule(np.bitwise_xor)
def _xor(a: Any, b: Any) -> Any:
    return ops.ne(a, b) if is_bool(a) else ops.sub(ops.or_(a, b), ops.and_(a, b))


@ufunc_rule(np.left_shift)
def _shift_left(a: Any, b: Any) -> Any:
    return a * ops.power(a.dtype.type(2), b)


# --- those that cast by rules of their own ---


@raw_rule(np.logical_and)
def _logical_and(a: Any, b: Any) -> Any:
    return ops.and_(truth(a), truth(b))


@raw_rule(np.logical_or)
def _logical_or(a: Any, b: Any) -> Any:
    return ops.or_(truth(a), truth(b))


@raw_rule(np.logical_xor)
def _logical_xor(a: Any, b: Any) -> Any:
    return ops.ne(truth(a), truth(b))


@raw_rule(np.logical_not)
def _logical_not(x: Any) -> Any:
    return ops.not_(truth(x))


@raw_rule(np.divmod)
def _divmod(a: Any, b: Any) -> tuple[Any, Any]:
    return UFUNCS[np.floor_divide](a, b), UFUNCS[np.remainder](a, b)


@raw_rule(np.float_power)
def _float_power(a: Any, b: Any) -> Any:
    return ops.power(*promoted(np.float_power, (a, b)))


_ARRAYS = (Tracer, np.ndarray)


@raw_rule(np.matmul)
def _matmul(a: Any, b: Any) -> Any:
    if not (type(a) in _ARRAYS and type(b) in _ARRAYS and a.dtype is b.dtype):
        a, b = common(a, b)
    if len(a.shape) == len(b.shape) == 2:
        return ops.matmul(a, b)
    if not a.shape or not b.shape:
        raise ValueError(
            f"matmul takes no scalars: the arguments have shapes {a.shape} and {b.shape}; use *"
        )
    if a.ndim == b.ndim == 1 and a.shape == b.shape:
        return ops.einsum(a, b, spec="a,a->")
    left = ops.reshape(a, shape=(1, *a.shape)) if a.ndim == 1 else a
    right = ops.reshape(b, shape=(*b.shape, 1)) if b.ndim == 1 else b
    out = ops.matmul(left, right)
    rows = out.shape[-2:-1] if a.ndim > 1 else ()
    columns = out.shape[-1:] if b.ndim > 1 else ()
    shape = (*out.shape[:-2], *rows, *columns)
    return out if shape == out.shape else ops.reshape(out, shape=shape)


def _matvec(a: Any, b: Any) -> Any:
    return _matmul(a, operand(b)[..., None])[..., 0]


def _vecmat(a: Any, b: Any) -> Any:
    return _matmul(operand(a)[..., None, :], b)[..., 0, :]


if hasattr(np, "matvec"):  # since NumPy 2.2
    raw_rule(np.matvec)(_matvec)
    raw_rule(np.vecmat)(_vecmat)


@raw_rule(np.vecdot)
def _vecdot(a: Any, b: Any) -> Any:
    return UFUNCS[np.multiply](UFUNCS[np.conjugate](a), b).sum(-1)


@rule(np.angle)
def _angle(z: Any, deg: bool = False) -> Any:
    """The argument of a complex number; of a real one 0 or pi."""
    x = as_float(z)
    y, x = (ops.imag(x), ops.real(x)) if is_complex(x) else (x.dtype.type(0), x)
    found = ops.arctan2(y, x)
    return _degrees(found) if deg else found


@rule(np.iscomplex)
def _iscomplex(x: Any) -> Any:
    return ops.ne(NUMPY["imag"](x), 0.0)


@rule(np.isreal)
def _isreal(x: Any) -> Any:
    return ops.eq(NUMPY["imag"](x), 0.0)


@rule(np.sinc)
def _sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), by its series near 0."""
    angle = np.pi * operand(x)
    near = UFUNCS[np.less](abs(angle), 1e-3)
    safe = np.where(near, 1.0, angle)
    square = angle * angle
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42))
    return np.where(near, series, UFUNCS[np.sin](safe) / safe)


@rule(np.fix)
def _fix(x: Any, out: Any = None) -> Any:
    return UFUNCS[np.trunc](x)


@raw_rule(np.modf)
def _modf(x: Any) -> tuple[Any, Any]:
    (x,) = promoted(np.trunc, (x,))
    whole = UFUNCS[np.trunc](x)
    finite = ops.select(_isinf(x), x.dtype.type(0), x)
    return UFUNCS[np.copysign](finite - UFUNCS[np.trunc](finite), x), whole


@raw_rule(np.ldexp)
def _ldexp(x: Any, power: Any) -> Any:
    (x,) = promoted(np.exp, (x,))
    power = operand(power)
    power = power if hasattr(power, "dtype") else np.asarray(power)[()]
    return x * x.dtype.type(2) ** ops.cast(power, dtype=x.dtype)


@rule(np.unwrap)
def _unwrap(
    p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi
) -> Any:
    """p and a multiple of the period, which is constant between jumps."""
    (x,) = promoted(np.exp, (p,))
    fixed = ops.stop_gradient(x)
    steps = NUMPY["diff"](fixed, axis=axis)
    half = period / 2
    within = (steps + half) % period - half
    up = UFUNCS[np.logical_and](within == -half, steps > 0)
    turns = np.where(up, half, within) - steps
    jump = half if discont is None else max(discont, half)
    turns = np.where(abs(steps) < jump, 0.0, turns)
    first = 0 * np.take(fixed, [0], axis)
    return x + NUMPY["concatenate"]([first, np.cumsum(turns, axis)], axis)


@rule(np.isposinf)
def _isposinf(x: Any, out: Any = None) -> Any:
    return UFUNCS[np.equal](x, np.inf)


@rule(np.isneginf)
def _isneginf(x: Any, out: Any = None) -> Any:
    return UFUNCS[np.equal](x, -np.inf)


@rule(np.real_if_close)
def _real_if_close(a: Any, tol: float = 100) -> Any:
    x = as_array(a)
    if x.dtype.kind != "c":
        return x
    reach = tol * float(np.finfo(x.dtype).eps) if tol > 1 else tol
    try:
        return ops.real(x) if np.all(np.abs(x.imag) < reach) else x
    except BranchError:  # not known, while compiling
        return x


@rule(np.i0)
def _i0(x: Any) -> Any:
    return ops.i0(*promoted(np.exp, (x,)))


NUMPY.update(conj=UFUNCS[np.conjugate], conjugate=UFUNCS[np.conjugate])

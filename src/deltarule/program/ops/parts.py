"""Complex arithmetic on real and imaginary parts: how a compiler computes what has no complex instruction.

In: operands as pairs (x, y) of real values, y None where it is zero everywhere. Out: the result as a pair.
What moves or adds values does so to each part; all else is said here, in primitives on real numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from deltarule.program.lowering import Index, Reduce
from deltarule.program.ops import circular, contract, elementwise, logic
from deltarule.program.ops.circular import arctan2, cos, sin
from deltarule.program.ops.elementwise import abs_, exp, expm1, log, log1p, maximum, minimum, sqrt
from deltarule.program.ops.logic import and_, eq, ge, gt, lt, ne, or_, select
from deltarule.program.primitive import Primitive

Pair = tuple[Any, Any]
Rule = Callable[..., Any]
F = TypeVar("F", bound=Rule)
PARTS: dict[Primitive, Rule] = {}
LARGEST_POWER = 100  # of whole exponents that become products, as NumPy has it


def rule(primitive: Primitive) -> Callable[[F], F]:
    """Declare how a primitive's complex form is computed: ``(*pairs) -> pair``, or a bool."""

    def declare(f: F) -> F:
        PARTS[primitive] = f
        return f

    return declare


def by_part(primitive: Primitive) -> bool:
    """Whether the operation on complex numbers is that on each of their parts."""
    lowering = primitive.lowering
    if isinstance(lowering, Reduce):
        return lowering.op in ("sum", "mean")
    return isinstance(lowering, Index) and lowering.kind not in ("real", "imag", "complex")


def none(x: Any) -> Any:
    """Zero in the dtype of x."""
    return x.dtype.type(0)


def filled(z: Pair) -> Pair:
    """The pair with its zeros written out."""
    x, y = z
    return (x, x * none(x)) if y is None else z


# --- sums, products, comparisons ---


@rule(elementwise.add)
def _add(a: Pair, b: Pair) -> Pair:
    if a[1] is None or b[1] is None:
        return a[0] + b[0], _spread(b[1] if a[1] is None else a[1], a, b)
    return a[0] + b[0], a[1] + b[1]


def _spread(y: Any, a: Pair, b: Pair) -> Any:
    """An imaginary part in the shape of the sum of two numbers."""
    if y is None or a[0].shape == b[0].shape:
        return y
    other = b[0] if y is a[1] else a[0]
    return y + other * none(other)


@rule(elementwise.sub)
def _sub(a: Pair, b: Pair) -> Pair:
    return _add(a, _neg(b))


@rule(elementwise.neg)
def _neg(z: Pair) -> Pair:
    return -z[0], None if z[1] is None else -z[1]


def product(times: Rule, a: Pair, b: Pair) -> Pair:
    """(x + iy) (u + iv) of anything that is linear in both: real products ``times``."""
    (x, y), (u, v) = a, b
    if y is None or v is None:
        z, w = (v, x) if y is None else (y, u)
        if z is None:
            return times(x, u), None
        return times(x, u), times(w, z) if y is None else times(z, w)
    return times(x, u) - times(y, v), times(x, v) + times(y, u)


@rule(elementwise.mul)
def _mul(a: Pair, b: Pair) -> Pair:
    return product(elementwise.mul, a, b)


@rule(elementwise.zmul)
def _zmul(ct: Pair, p: Pair) -> Pair:
    x, y = filled(_mul(ct, p))
    nothing = _is_zero(ct)
    return select(nothing, none(x), x), select(nothing, none(y), y)


def _is_zero(z: Pair) -> Any:
    found = eq(z[0], none(z[0]))
    return found if z[1] is None else and_(found, eq(z[1], none(z[1])))


@rule(elementwise.div)
def _div(a: Pair, b: Pair) -> Pair:
    """By the smaller part over the larger (Smith 1962)."""
    (x, y), (u, v) = a, b
    if v is None:
        return x / u, None if y is None else y / u
    wide = ge(abs_(u), abs_(v))
    large, small = select(wide, u, v), select(wide, v, u)
    zero = eq(large, none(large))
    size = select(zero, abs_(large), large)  # zero or not: over +0 as NumPy has it
    ratio = select(zero, none(small), small / size)
    below = select(zero, size, large + small * ratio)
    if y is None:
        first, second = select(wide, x, x * ratio), select(wide, -x * ratio, -x)
    else:
        first = select(wide, x + y * ratio, x * ratio + y)
        second = select(wide, y - x * ratio, y * ratio - x)
    return first / below, second / below


@rule(logic.eq)
def _eq(a: Pair, b: Pair) -> Any:
    (x, y), (u, v) = filled(a), filled(b)
    return and_(eq(x, u), eq(y, v))


@rule(logic.ne)
def _ne(a: Pair, b: Pair) -> Any:
    (x, y), (u, v) = filled(a), filled(b)
    return or_(ne(x, u), ne(y, v))


@rule(logic.select)
def _select(c: Any, a: Pair, b: Pair) -> Pair:
    if a[1] is None and b[1] is None:
        return select(c, a[0], b[0]), None
    (x, y), (u, v) = filled(a), filled(b)
    return select(c, x, u), select(c, y, v)


@rule(contract.matmul)
def _matmul(a: Pair, b: Pair) -> Pair:
    return product(contract.matmul, a, b)


@rule(contract.einsum)
def _einsum(*pairs: Pair, spec: str) -> Pair:
    if len(pairs) == 1:
        return tuple(  # type: ignore[return-value]
            None if part is None else contract.einsum(part, spec=spec) for part in pairs[0]
        )
    a, b = pairs
    return product(lambda x, u: contract.einsum(x, u, spec=spec), a, b)


# --- exponentials ---


@rule(elementwise.exp)
def _exp(z: Pair) -> Pair:
    x, y = filled(z)
    size = exp(x)
    real_line = eq(y, none(y))  # there e^x may be infinite
    return select(real_line, size, size * cos(y)), select(real_line, y, size * sin(y))


@rule(elementwise.expm1)
def _expm1(z: Pair) -> Pair:
    x, y = filled(z)
    half = sin(y * 0.5)
    return expm1(x) * cos(y) - 2 * half * half, select(eq(y, none(y)), y, exp(x) * sin(y))


def size(x: Any, y: Any) -> Any:
    """The absolute value, without overflow."""
    x, y = abs_(x), abs_(y)
    large, small = maximum(x, y), minimum(x, y)
    ratio = small / select(eq(large, none(large)), none(large) + 1, large)
    found = large * sqrt(1 + ratio * ratio)
    infinite = or_(eq(x, x.dtype.type(math.inf)), eq(y, y.dtype.type(math.inf)))
    return select(infinite, x.dtype.type(math.inf), found)


def log_size(x: Any, y: Any) -> Any:
    """The logarithm of the absolute value, exact to rounding near 1 too."""
    x, y = abs_(x), abs_(y)
    large, small = maximum(x, y), minimum(x, y)
    near = and_(gt(large, large.dtype.type(0.5)), lt(large, large.dtype.type(2)))
    one = select(near, large, none(large) + 1)
    close = 0.5 * log1p((one - 1) * (one + 1) + select(near, small * small, none(small)))
    ratio = small / select(eq(large, none(large)), none(large) + 1, large)
    far = log(large) + 0.5 * log1p(ratio * ratio)
    infinite = eq(large, large.dtype.type(math.inf))
    return select(near, close, select(infinite, large, far))


@rule(elementwise.log)
def _log(z: Pair) -> Pair:
    x, y = filled(z)
    return log_size(x, y), arctan2(y, x)


@rule(elementwise.log1p)
def _log1p(z: Pair) -> Pair:
    x, y = filled(z)
    near = and_(lt(abs_(x), x.dtype.type(0.5)), lt(abs_(y), y.dtype.type(0.5)))
    inside = select(near, x * (x + 2) + y * y, none(x))
    return select(near, 0.5 * log1p(inside), log_size(1 + x, y)), arctan2(y, 1 + x)


@rule(elementwise.sqrt)
def _sqrt(z: Pair) -> Pair:
    """By the larger part first, which has no cancellation."""
    x, y = filled(z)
    root = sqrt(0.5 * (abs_(x) + size(x, y)))
    zero = eq(root, none(root))
    other = select(zero, y, y / select(zero, none(root) + 1, 2 * root))
    turned = or_(lt(y, none(y)), lt(1 / y, none(y)))  # by the sign of zero, too
    upper = select(turned, -root, root)
    positive = ge(x, none(x))
    return select(positive, root, abs_(other)), select(positive, other, upper)


@rule(elementwise.power)
def _power(z: Pair, n: Pair) -> Pair:
    """e^(n ln z); 0^n = 0 where n is positive, z^0 = 1."""
    x, y = _exp(_mul(n, _log(z)))
    (u, v), nothing = filled(n), _is_zero(z)
    constant = and_(eq(u, none(u)), eq(v, none(v)))
    vanishes = and_(nothing, and_(gt(u, none(u)), eq(v, none(v))))
    real = select(constant, none(x) + 1, select(vanishes, none(x), x))
    return real, select(or_(constant, vanishes), none(y), y)


def whole_power(z: Pair, n: int) -> Pair:
    """z^n by squares and products."""
    found: Pair | None = None
    base, rest = z, abs(n)
    while rest:
        if rest & 1:
            found = base if found is None else _mul(found, base)
        rest >>= 1
        base = _mul(base, base) if rest else base
    one = z[0] * none(z[0]) + 1, None
    if found is None:
        return one
    return _div(one, found) if n < 0 else found


# --- circles and hyperbolas ---


def sinh(x: Any) -> Any:
    """(e^x - e^-x) / 2, exact for small x."""
    return (expm1(x) - expm1(-x)) * 0.5


def cosh(x: Any) -> Any:
    """(e^x + e^-x) / 2."""
    return (exp(x) + exp(-x)) * 0.5


@rule(circular.sin)
def _sin(z: Pair) -> Pair:
    x, y = filled(z)
    return sin(x) * cosh(y), cos(x) * sinh(y)


@rule(circular.cos)
def _cos(z: Pair) -> Pair:
    x, y = filled(z)
    return cos(x) * cosh(y), -sin(x) * sinh(y)


@rule(elementwise.tanh)
def _tanh(z: Pair) -> Pair:
    """sinh x cosh x and sin y cos y, over sinh^2 x + cos^2 y; far out the limit, to rounding."""
    x, y = filled(z)
    far = gt(abs_(x), x.dtype.type(20))
    near = select(far, none(x), x)
    below = sinh(near) * sinh(near) + cos(y) * cos(y)
    turn = sin(y) * cos(y)
    limit = select(lt(x, none(x)), none(x) - 1, none(x) + 1)
    real = select(far, limit, sinh(near) * cosh(near) / below)
    return real, select(far, 4 * turn * exp(-2 * abs_(x)), turn / below)


def _arcsinh(x: Any) -> Any:
    """Of a real number."""
    wide = abs_(x)
    found = log1p(wide + wide * (wide / (1 + size(wide, none(wide) + 1))))
    return select(lt(x, none(x)), -found, found)


def _roots(z: Pair) -> tuple[Pair, Pair]:
    """The roots of 1 - z and 1 + z."""
    x, y = filled(z)
    return _sqrt((1 - x, -y)), _sqrt((1 + x, y))


@rule(circular.arcsin)
def _arcsin(z: Pair) -> Pair:
    """From the roots of 1 - z and 1 + z (Kahan 1987)."""
    (a, b), (c, d) = _roots(z)
    return arctan2(filled(z)[0], a * c - b * d), _arcsinh(a * d - b * c)


@rule(circular.arccos)
def _arccos(z: Pair) -> Pair:
    """From the roots of 1 - z and 1 + z (Kahan 1987)."""
    (a, b), (c, d) = _roots(z)
    return 2 * arctan2(a, c), _arcsinh(c * b - d * a)


@rule(circular.arctan)
def _arctan(z: Pair) -> Pair:
    """The angle of 1 - |z|^2 + 2ix, halved, and a quarter of ln(1 + 4y / (x^2 + (1 - y)^2))."""
    x, y = filled(z)
    angle = 0.5 * arctan2(2 * x, (1 - y) * (1 + y) - x * x)
    down = lt(y, none(y))
    height = abs_(y)
    rise = 0.25 * log1p(4 * height / (x * x + (1 - height) * (1 - height)))
    return angle, select(down, -rise, rise)

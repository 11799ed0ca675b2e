"""Complex numbers and their parts.

In: complex arrays, or two real ones of one dtype. Out: their parts, or complex arrays.

A cotangent ct and a tangent v belong together by Re(sum ct v), so that the gradient of a real function of
z = x + iy is df/dx - i df/dy, and the derivative of a holomorphic function multiplies both as it does a real
one. The rules of all other primitives hold for complex numbers as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.lowering import Index
from deltarule.program.primitive import TABLE, ErrorSample, Primitive, Sample
from deltarule.program.types import ArrayType

Dtype = np.dtype[Any]
COMPLEX: dict[Dtype, Dtype] = {
    np.dtype("f4"): np.dtype("c8"),
    np.dtype("f8"): np.dtype("c16"),
}
REAL: dict[Dtype, Dtype] = {wide: narrow for narrow, wide in COMPLEX.items()}


def _samples(rng: np.random.Generator) -> list[Sample]:
    shapes = ((), (3,), (2, 3), (0, 3), (1, 1))
    return [Sample((np.asarray(rng.normal(size=s) + 1j * rng.normal(size=s))[()],)) for s in shapes]


def _part(name: str, cotangent: Callable[[Any, Any], Any], notation: str, doc: str) -> Primitive:
    """Declare the real or the imaginary part; ``cotangent(ct, zeros)`` is that of z."""

    def type_rule(z: ArrayType) -> ArrayType:
        if z.dtype not in REAL:
            raise TypeRuleError(f"{name} is a part of complex numbers, not of {z!r}")
        return ArrayType(z.shape, REAL[z.dtype])

    def evaluate(z: Any) -> Any:
        return np.ascontiguousarray(getattr(z, name)) if z.ndim else getattr(z, name)

    def vjp(i: int, ct: Any, y: Any, z: Any) -> Any:
        return cotangent(ct, np.broadcast_to(ct.dtype.type(0), ct.shape))

    return Primitive(
        name,
        doc,
        type_rule=type_rule,
        evaluate=evaluate,
        vjp=vjp,
        jvp=lambda tangents, y, z: TABLE[name](tangents[0]),
        batch=lambda size, batched, z: TABLE[name](z),
        lowering=Index(name),
        notation=notation,
        samples=_samples,
        errors=(ErrorSample((np.ones(2),), {}, "a part of complex numbers"),),
    )


real = _part("real", lambda ct, none: complex_(ct, none), r"\mathrm{{Re}}\,{0}", "Real part, x.")
imag = _part(
    "imag", lambda ct, none: complex_(none, -ct), r"\mathrm{{Im}}\,{0}", "Imaginary part, y."
)


def _complex_type(x: ArrayType, y: ArrayType) -> ArrayType:
    if x.dtype not in COMPLEX or x.dtype != y.dtype or x.shape != y.shape:
        raise TypeRuleError(f"complex joins two float arrays of one type, not {x!r} and {y!r}")
    return ArrayType(x.shape, COMPLEX[x.dtype])


def _complex(x: Any, y: Any) -> Any:
    z = np.empty(x.shape, COMPLEX[x.dtype])
    z.real, z.imag = x, y
    return z[()]


def _complex_vjp(i: int, ct: Any, z: Any, x: Any, y: Any) -> Any:
    return real(ct) if i == 0 else -imag(ct)


def _complex_jvp(tangents: Sequence[Any], z: Any, x: Any, y: Any) -> Any:
    given = zip(tangents, (x, y), strict=True)
    return complex_(
        *(np.broadcast_to(a.dtype.type(0), a.shape) if t is None else t for t, a in given)
    )


def _complex_batch(size: int, batched: Sequence[bool], x: Any, y: Any) -> Any:
    def stacked(a: Any, flag: bool) -> Any:
        return a if flag else TABLE["broadcast"](a, shape=(size, *a.shape))

    return complex_(stacked(x, batched[0]), stacked(y, batched[1]))


complex_: Primitive = Primitive(
    "complex",
    "The complex number x + iy.",
    type_rule=_complex_type,
    evaluate=_complex,
    vjp=_complex_vjp,
    jvp=_complex_jvp,
    batch=_complex_batch,
    lowering=Index("complex"),
    notation="{0} + i\\,{1}",
    samples=lambda rng: [
        Sample((np.asarray(rng.normal(size=s))[()], np.asarray(rng.normal(size=s))[()]))
        for s in ((), (3,), (2, 3), (0, 3))
    ],
    errors=(
        ErrorSample((np.ones(2), np.ones(3)), {}, "two float arrays of one type"),
        ErrorSample((np.ones(2), np.ones(2, "f4")), {}, "two float arrays of one type"),
        ErrorSample((np.ones(2, int), np.ones(2, int)), {}, "two float arrays of one type"),
    ),
)


def conj(x: Any) -> Any:
    """x - iy; real numbers as they are."""
    return complex_(real(x), -imag(x)) if x.dtype.kind == "c" else x


def as_kind(x: Any, like: Any) -> Any:
    """Real numbers as complex ones where ``like`` is complex."""
    return TABLE["cast"](x, dtype=like.dtype) if x.dtype != like.dtype else x


def real_part(x: Any) -> Any:
    """The real part; real numbers as they are."""
    return real(x) if x.dtype.kind == "c" else x

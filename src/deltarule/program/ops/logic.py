"""Comparisons, choices and casts, element by element.

In: arrays of one dtype (``select``: a bool and two of one dtype). Out: bools, or the values chosen.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import (
    batch_elementwise,
    broadcast_shapes,
    elementwise,
    same_dtype,
    total,
    unbroadcast,
    zeros_like,
)
from deltarule.program.lowering import Map
from deltarule.program.primitive import TABLE, ErrorSample, Kink, Primitive, Sample
from deltarule.program.samples import array, span
from deltarule.program.types import BOOL, NAMES, ArrayType


def _comparison(
    name: str, evaluate: Callable[..., Any], symbol: str, notation: str, doc: str
) -> Primitive:
    return elementwise(
        name,
        evaluate=evaluate,
        partials=[None, None],
        scalar=f"x0 {symbol} x1",
        notation=f"{{0}} {notation} {{1}}",
        samples=span(-3, 3, arity=2),
        kinds="biufc",
        result="bool",
        doc=doc,
    )


eq = _comparison("eq", np.equal, "==", "=", "Whether a = b.")
ne = _comparison("ne", np.not_equal, "!=", r"\ne", "Whether a differs from b.")
lt = _comparison("lt", np.less, "<", "<", "Whether a < b.")
le = _comparison("le", np.less_equal, "<=", r"\le", "Whether a <= b.")
gt = _comparison("gt", np.greater, ">", ">", "Whether a > b.")
ge = _comparison("ge", np.greater_equal, ">=", r"\ge", "Whether a >= b.")


def _bools(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], list[Sample]]:
    def samples(rng: np.random.Generator) -> list[Sample]:
        return [
            Sample(tuple(rng.random(s) < 0.5 for s in shapes)),
            Sample(tuple(rng.random(()) < 0.5 for _ in shapes)),
        ]

    return samples


_not_bool = (ErrorSample((np.ones(2),), {}, "takes no f64[2]"),)
and_ = elementwise(
    "and",
    evaluate=operator.and_,
    partials=[None, None],
    scalar="x0 & x1",
    notation=r"{0} \land {1}",
    samples=_bools((2, 3), (3,)),
    kinds="biu",
    doc="Both, bit by bit.",
)
or_ = elementwise(
    "or",
    evaluate=operator.or_,
    partials=[None, None],
    scalar="x0 | x1",
    notation=r"{0} \lor {1}",
    samples=_bools((2, 3), (3,)),
    kinds="biu",
    doc="Either, bit by bit.",
)
not_ = elementwise(
    "not",
    evaluate=np.logical_not,
    partials=[None],
    scalar="x0 == 0",
    notation=r"\lnot {0}",
    samples=_bools((2, 3)),
    kinds="b",
    errors=_not_bool,
    doc="Not.",
)
shift_right = elementwise(
    "shift_right",
    evaluate=operator.rshift,
    partials=[None, None],
    scalar="x0 >> x1",
    notation=r"{0} \gg {1}",
    samples=lambda rng: [Sample((rng.integers(0, 2**32, (2, 3), "u4"), np.array(9, "u4")))],
    kinds="iu",
    doc="Bits of a moved right by b places.",
)


def _select_type(c: ArrayType, a: ArrayType, b: ArrayType) -> ArrayType:
    if c.dtype != BOOL:
        raise TypeRuleError(f"select chooses by bools, not by {c!r}; compare it first, x != 0")
    return ArrayType(broadcast_shapes("select", (c, a, b)), same_dtype("select", (a, b)))


def _select_vjp(i: int, ct: Any, y: Any, c: Any, a: Any, b: Any) -> Any:
    zero = np.zeros((), y.dtype)
    if i == 0:
        return None
    return unbroadcast(select(c, ct, zero) if i == 1 else select(c, zero, ct), (a, b)[i - 1].shape)


def _select_jvp(tangents: Sequence[Any], y: Any, c: Any, a: Any, b: Any) -> Any:
    ta, tb = (zeros_like(x) if t is None else t for t, x in zip(tangents[1:], (a, b), strict=True))
    return total([select(c, ta, tb)], y)


def _select_samples(rng: np.random.Generator) -> list[Sample]:
    cases = [
        ((2, 3), (2, 3), (2, 3)),
        ((3,), (2, 3), ()),
        ((2, 1), (3,), (1, 1)),
        ((), (), ()),
        ((0,), (0,), (1,)),
    ]
    return [
        Sample((rng.random(c) < 0.5, rng.normal(size=a), rng.normal(size=b))) for c, a, b in cases
    ]


_where = np.where


def _choose(c: Any, a: Any, b: Any) -> Any:
    return _where(c, a, b)[()]


select = Primitive(
    "select",
    "Choice, y = a where c else b.",
    type_rule=_select_type,
    evaluate=_choose,
    vjp=_select_vjp,
    jvp=_select_jvp,
    batch=batch_elementwise("select"),
    lowering=Map("select(x0, x1, x2)"),
    notation=r"\mathrm{{where}}({0}, {1}, {2})",
    samples=_select_samples,
    errors=(
        ErrorSample((np.ones(2), np.ones(2), np.ones(2)), {}, "chooses by bools"),
        ErrorSample((np.ones(2, bool), np.ones(2), np.ones(2, "f4")), {}, "dtypes differ"),
    ),
)


def _cast_type(x: ArrayType, dtype: Any) -> ArrayType:
    if dtype.kind in "fc" and dtype not in NAMES:
        raise TypeRuleError(
            f"{x!r} does not become {dtype}; traced are floats of up to 64 bits, and pairs of them"
        )
    if x.dtype.kind == "c" and dtype.kind not in "cb":
        raise TypeRuleError(
            f"{x!r} becomes {dtype} only without its imaginary part; take np.real(x) or np.abs(x)"
        )
    return ArrayType(x.shape, dtype)


def _cast_vjp(i: int, ct: Any, y: Any, x: Any, dtype: Any) -> Any:
    if y.dtype.kind not in "fc" or x.dtype.kind not in "fc":
        return None
    part = TABLE["real"](ct) if x.dtype.kind == "f" and y.dtype.kind == "c" else ct
    return cast(part, dtype=x.dtype)


def _cast_jvp(tangents: Sequence[Any], y: Any, x: Any, dtype: Any) -> Any:
    return cast(tangents[0], dtype=dtype) if y.dtype.kind in "fc" else None


def _cast_evaluate(x: Any, dtype: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return x.astype(dtype)


def _cast_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(2, 3))
    kinds = ("f8", "i8", "bool")
    return [Sample((x,), {"dtype": np.dtype(d)}) for d in kinds] + [
        Sample((rng.integers(-3, 3, 4),), {"dtype": np.dtype("f8")}),
        Sample((rng.random(4) < 0.5,), {"dtype": np.dtype("f8")}),
        Sample((np.float64(1.5),), {"dtype": np.dtype("f8")}),
        Sample((x,), {"dtype": np.dtype("c16")}),
    ]


cast = Primitive(
    "cast",
    "Conversion to another dtype; floats are cut to integers.",
    type_rule=_cast_type,
    evaluate=_cast_evaluate,
    vjp=_cast_vjp,
    jvp=_cast_jvp,
    batch=batch_elementwise("cast"),
    lowering=Map("cast(x0)"),
    notation="{0}",
    samples=_cast_samples,
    errors=(
        ErrorSample((np.ones(2, complex),), {"dtype": np.dtype("f8")}, "imaginary part"),
        ErrorSample((np.ones(2),), {"dtype": np.dtype("longdouble")}, "does not become"),
    ),
)

clip = elementwise(
    "clip",
    evaluate=lambda x, low, high: np.minimum(np.maximum(x, low), high),
    partials=[
        lambda y, x, low, high: cast(and_(ge(x, low), le(x, high)), dtype=x.dtype),
        lambda y, x, low, high: cast(and_(lt(x, low), le(low, high)), dtype=x.dtype),
        lambda y, x, low, high: cast(or_(gt(x, high), gt(low, high)), dtype=x.dtype),
    ],
    scalar="minimum(maximum(x0, x1), x2)",
    notation=r"\mathrm{{clip}}({0}, {1}, {2})",
    samples=lambda rng: [
        Sample((np.array([[-2.0, 0.1, 1.7]]), np.array(-0.5), np.array(0.8))),
        Sample((rng.uniform(-0.4, 0.4, (2, 3)), np.full(3, -0.5), np.full((2, 1), 0.5))),
    ],
    kinds="iuf",
    kinks=(Kink("x at a bound", "1, as PyTorch does"),),
    special=lambda: [
        Sample(
            array([-1.0, 0.0, 1.0, 2.0], 0.0, 1.0), derivative=array([0.0, 1.0, 1.0, 0.0], 1.0, 1.0)
        ),
    ],
    doc="x limited to [low, high].",
)

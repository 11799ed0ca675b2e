"""Reductions along axes, which disappear (the NumPy layer puts ``keepdims`` back with a reshape).

In: an array and ``axes``, a sorted tuple. Out: an array without those axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import jointly_linear
from deltarule.program.lowering import Expand, Opaque, Reduce
from deltarule.program.ops.logic import cast, eq
from deltarule.program.ops.shape import broadcast, pad, reshape, slice_
from deltarule.program.primitive import TABLE, ErrorSample, Kink, Primitive, Rule, Sample
from deltarule.program.samples import distinct, each, normal
from deltarule.program.types import INT, ArrayType


def keep(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """``shape`` with size 1 at ``axes``."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def expand(x: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Repeat a reduced ``x`` along the reduced ``axes``, back to ``shape``."""
    return broadcast(reshape(x, shape=keep(shape, axes)) if x.shape else x, shape=shape)


def count(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """Number of elements that fall together."""
    n = 1
    for axis in axes:
        n *= shape[axis]
    return n


def reduce_type(name: str, kinds: str, empty: bool, dtype: Any = None) -> Rule:
    """Type rule: the axes disappear; the dtype stays, or is a given one."""

    @lru_cache(maxsize=4096)
    def type_rule(x: ArrayType, axes: tuple[int, ...]) -> ArrayType:
        if x.dtype.kind not in kinds:
            raise TypeRuleError(f"{name} takes no {x!r}; cast it first, x.astype(float)")
        if list(axes) != sorted(set(axes)) or any(not 0 <= a < len(x.shape) for a in axes):
            raise TypeRuleError(f"{name}: axes {axes} are not axes of {x!r}")
        if not empty and count(x.shape, axes) == 0:
            raise TypeRuleError(f"{name} of no elements: {x!r} along {axes} has no value")
        return ArrayType(tuple(n for i, n in enumerate(x.shape) if i not in axes), dtype or x.dtype)

    return type_rule


def reduce_batch(name: str) -> Rule:
    """Batch rule: the axes stand one further behind."""

    def batch(size: int, batched: Sequence[bool], x: Any, axes: tuple[int, ...]) -> Any:
        return TABLE[name](x, axes=tuple(a + 1 for a in axes))

    return batch


def errors(kind_error: bool, *more: ErrorSample) -> tuple[ErrorSample, ...]:
    """What every reduction refuses, and ``more``."""
    refused = (
        (ErrorSample((np.ones((2, 3), bool),), {"axes": (0,)}, "takes no bool"),)
        if kind_error
        else ()
    )
    return (ErrorSample((np.ones((2, 3)),), {"axes": (2,)}, "are not axes"), *refused, *more)


samples = each(
    normal((2, 3), axes=(0,)),
    normal((2, 3), axes=(0, 1)),
    normal((2, 3, 4), axes=(1,)),
    normal((2, 3, 4), axes=(0, 2)),
    normal((5,), axes=(0,)),
    normal((3,), axes=()),
    normal((), axes=()),
    normal((1, 4), axes=(0,)),
)
_samples_with_empty = each(normal((0, 3), axes=(0,)), normal((0, 3), axes=(1,)))


def _sum_vjp(i: int, ct: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    return expand(ct, x.shape, axes)


sum_ = Primitive(
    "sum",
    "Sum along axes, y = sum_i x_i.",
    type_rule=reduce_type("sum", "iufc", empty=True),
    evaluate=lambda x, axes: np.add.reduce(x, axes, x.dtype),
    vjp=_sum_vjp,
    jvp=jointly_linear("sum"),
    batch=reduce_batch("sum"),
    lowering=Reduce("sum"),
    notation=r"\sum {0}",
    samples=lambda rng: samples(rng) + _samples_with_empty(rng),
    errors=errors(True),
)


def _mean(x: Any, axes: tuple[int, ...]) -> Any:
    """``np.mean`` with its arithmetic, at a third of its time on few elements."""
    out = np.add.reduce(x, axes, x.dtype) / np.float64(count(x.shape, axes))
    return out if out.dtype == x.dtype else out.astype(x.dtype)


def _mean_vjp(i: int, ct: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    return expand(ct / count(x.shape, axes), x.shape, axes)


mean = Primitive(
    "mean",
    "Mean along axes, y = 1/n sum_i x_i.",
    type_rule=reduce_type("mean", "fc", empty=False),
    evaluate=_mean,
    vjp=_mean_vjp,
    jvp=jointly_linear("mean"),
    batch=reduce_batch("mean"),
    lowering=Reduce("mean"),
    notation=r"\mathrm{{mean}}\,{0}",
    samples=samples,
    errors=errors(True, ErrorSample((np.ones((0, 3)),), {"axes": (0,)}, "of no elements")),
)


def _extreme(name: str, evaluate: np.ufunc, notation: str, doc: str) -> Primitive:
    def shares(y: Any, x: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
        chosen = cast(eq(x, expand(y, x.shape, axes)), dtype=x.dtype)
        return chosen, sum_(chosen, axes=axes)

    def vjp(i: int, ct: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
        chosen, ties = shares(y, x, axes)
        return expand(ct / ties, x.shape, axes) * chosen

    def jvp(tangents: Sequence[Any], y: Any, x: Any, axes: tuple[int, ...]) -> Any:
        chosen, ties = shares(y, x, axes)
        return sum_(tangents[0] * chosen, axes=axes) / ties

    tied = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    picked = [[0, 0.5, 0.5], [1 / 3] * 3] if name == "max" else [[1, 0, 0], [1 / 3] * 3]
    return Primitive(
        name,
        doc,
        type_rule=reduce_type(name, "biuf", empty=False),
        evaluate=lambda x, axes: evaluate.reduce(x, axes),
        vjp=vjp,
        jvp=jvp,
        batch=reduce_batch(name),
        lowering=Reduce(name),
        notation=notation,
        samples=each(
            distinct((5,), attrs={"axes": (0,)}),
            distinct((2, 3), attrs={"axes": (1,)}),
            distinct((2, 3, 4), attrs={"axes": (0, 2)}),
            distinct((), attrs={"axes": ()}),
        ),
        errors=errors(False, ErrorSample((np.ones((0, 3)),), {"axes": (0,)}, "of no elements")),
        kinks=(Kink("ties", "shared in equal parts, as JAX does"),),
        special=lambda: [Sample((tied,), {"axes": (1,)}, derivative=(np.array(picked),))],
    )


max_ = _extreme(
    "max", np.maximum, r"\max {0}", "Largest element along axes; ties share the derivative equally."
)
min_ = _extreme(
    "min",
    np.minimum,
    r"\min {0}",
    "Smallest element along axes; ties share the derivative equally.",
)


def _cumsum_type(x: ArrayType, axis: int, reverse: bool) -> ArrayType:
    if x.dtype.kind not in "iufc":
        raise TypeRuleError(f"cumsum takes no {x!r}; cast it first, x.astype(float)")
    if not 0 <= axis < len(x.shape):
        raise TypeRuleError(f"cumsum: {axis} is no axis of {x!r}")
    return x


def _cumsum(x: Any, axis: int, reverse: bool) -> Any:
    if not reverse:
        return np.add.accumulate(x, axis, x.dtype)
    turned = (slice(None),) * axis + (slice(None, None, -1),)
    return np.add.accumulate(x[turned], axis, x.dtype)[turned]


def _cumsum_steps(x: Any, axis: int, reverse: bool) -> Any:
    """About log2(n) sums, each of which reaches twice as far."""
    n, reach = x.shape[axis], 1
    while reach < n:
        start = tuple(reach if reverse and i == axis else 0 for i in range(len(x.shape)))
        size = tuple(n - reach if i == axis else k for i, k in enumerate(x.shape))
        step = (1,) * len(size)
        place = tuple(0 if reverse or i != axis else reach for i in range(len(size)))
        moved = slice_(x, start=start, size=size, step=step)
        x = x + pad(moved, shape=x.shape, start=place, step=step)
        reach *= 2
    return x


cumsum: Primitive = Primitive(
    "cumsum",
    "Sums of all elements up to each along an axis, or from each on.",
    type_rule=_cumsum_type,
    evaluate=_cumsum,
    vjp=lambda i, ct, y, x, axis, reverse: cumsum(ct, axis=axis, reverse=not reverse),
    jvp=jointly_linear("cumsum"),
    batch=lambda size, batched, x, axis, reverse: cumsum(x, axis=axis + 1, reverse=reverse),
    lowering=Expand(_cumsum_steps),
    notation=r"\mathrm{{cumsum}}\,{0}",
    samples=each(
        normal((5,), axis=0, reverse=False),
        normal((2, 3), axis=1, reverse=True),
        normal((2, 3, 4), axis=0, reverse=False),
        normal((0,), axis=0, reverse=False),
        normal((1,), axis=0, reverse=True),
    ),
    errors=(
        ErrorSample((np.ones((2, 3)),), {"axis": 2, "reverse": False}, "is no axis"),
        ErrorSample((np.ones(3, bool),), {"axis": 0, "reverse": False}, "takes no bool"),
    ),
)


def _argmax_type(x: ArrayType, axes: tuple[int, ...]) -> ArrayType:
    if len(axes) != 1:
        raise TypeRuleError(f"argmax takes one axis, not {axes}; reshape {x!r} to have one")
    found: ArrayType = reduce_type("argmax", "biuf", empty=False, dtype=INT)(x, axes)
    return found


argmax = Primitive(
    "argmax",
    "Index of the first largest element along one axis.",
    type_rule=_argmax_type,
    evaluate=lambda x, axes: np.argmax(x, axis=axes[0]),
    vjp=None,
    jvp=None,
    batch=reduce_batch("argmax"),
    lowering=Reduce("argmax"),
    notation=r"\mathrm{{argmax}}\,{0}",
    samples=each(
        distinct((5,), attrs={"axes": (0,)}),
        distinct((2, 3), attrs={"axes": (1,)}),
        distinct((2, 3, 4), attrs={"axes": (0,)}),
    ),
    errors=(ErrorSample((np.ones((2, 3)),), {"axes": (0, 1)}, "takes one axis"),),
    special=lambda: [Sample((np.array([1.0, 3.0, 3.0]),), {"axes": (0,)})],
)


def _argsort_type(x: ArrayType, axis: int, stable: bool) -> ArrayType:
    if not 0 <= axis < len(x.shape):
        raise TypeRuleError(f"argsort: {axis} is no axis of {x!r}")
    return ArrayType(x.shape, INT)


argsort: Primitive = Primitive(
    "argsort",
    "Indices that would put the elements along one axis in order.",
    type_rule=_argsort_type,
    evaluate=lambda x, axis, stable: x.argsort(axis, stable=stable or None),
    vjp=None,
    jvp=None,
    batch=lambda size, batched, x, axis, stable: argsort(x, axis=axis + 1, stable=stable),
    lowering=Opaque("sorting is NumPy's"),
    notation=r"\mathrm{{argsort}}\,{0}",
    samples=each(
        distinct((5,), attrs={"axis": 0, "stable": False}),
        distinct((2, 3), attrs={"axis": 1, "stable": True}),
        distinct((2, 3, 4), attrs={"axis": 0, "stable": False}),
    ),
    errors=(ErrorSample((np.ones((2, 3)),), {"axis": 2, "stable": False}, "is no axis"),),
)

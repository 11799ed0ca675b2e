"""Reading and writing at computed places along the first axis: all of NumPy's indexing comes to this form.

In: arrays and integer indices in [0, n). Out: arrays. An index outside is an error, never a stray read or
write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import jointly_linear, same_dtype, zeros_like
from deltarule.program.lowering import Index
from deltarule.program.ops.logic import cast, eq
from deltarule.program.ops.shape import broadcast, reshape
from deltarule.program.primitive import TABLE, ErrorSample, Kink, Primitive, Rule, Sample
from deltarule.program.types import INT, ArrayType


def _check_index(name: str, x: ArrayType, index: ArrayType) -> None:
    if index.dtype != INT:
        raise TypeRuleError(f"{name}: indices are i64, not {index!r}; cast them, i.astype(int)")
    if not x.shape:
        raise TypeRuleError(f"{name}: {x!r} has no axis to index")


def inside(index: Any, n: int) -> Any:
    """``index`` itself, after checking that it lies in [0, n)."""
    if index.size and np.maximum.reduce(index.view(np.uint64), None) >= n:  # or negative
        wrong = index.max() if index.max() >= n else index.min()
        raise IndexError(f"index {wrong} is out of bounds for an axis of size {n}")
    return index


def _gather_type(x: ArrayType, index: ArrayType) -> ArrayType:
    _check_index("gather", x, index)
    return ArrayType((*index.shape, *x.shape[1:]), x.dtype)


def rows(size: int, index: Any, n: int) -> Any:
    """Batched indices into ``size`` stacked arrays of n rows, as indices into one array of size * n
    rows."""
    offset = np.arange(size).reshape(-1, *(1,) * (len(index.shape) - 1)) * n
    return index + offset


def _fold(x: Any) -> Any:
    return reshape(x, shape=(x.shape[0] * x.shape[1], *x.shape[2:]))


def _gather_batch(size: int, batched: Sequence[bool], x: Any, index: Any) -> Any:
    if not batched[0]:
        return gather(x, index)
    if not batched[1]:
        index = broadcast(index, shape=(size, *index.shape))
    return gather(_fold(x), rows(size, index, x.shape[1]))


def _gather_samples(rng: np.random.Generator) -> list[Sample]:
    cases = [((5,), (3,)), ((5, 2), ()), ((4, 2, 3), (2, 2)), ((3,), (0,)), ((1,), (4,))]
    return [Sample((rng.normal(size=x), rng.integers(0, x[0], i))) for x, i in cases]


_gather_errors = (
    ErrorSample((np.ones(3), np.ones(2)), {}, "indices are i64"),
    ErrorSample((np.ones(()), np.ones(2, int)), {}, "has no axis"),
)

gather = Primitive(
    "gather",
    "Elements at indices along the first axis, y = x[index].",
    type_rule=_gather_type,
    evaluate=lambda x, index: x[inside(index, x.shape[0])],
    vjp=lambda i, ct, y, x, index: scatter_add(zeros_like(x), index, ct) if i == 0 else None,
    jvp=jointly_linear("gather", arrays=1),
    batch=_gather_batch,
    lowering=Index("gather"),
    notation="{0}[{1}]",
    samples=_gather_samples,
    errors=_gather_errors,
)


def _scatter_type(name: str) -> Rule:
    def type_rule(x: ArrayType, index: ArrayType, new: ArrayType) -> ArrayType:
        _check_index(name, x, index)
        same_dtype(name, (x, new))
        if new.shape != (*index.shape, *x.shape[1:]):
            raise TypeRuleError(
                f"{name}: values {new!r} at indices {index!r} of {x!r} must be "
                f"{index.shape + x.shape[1:]}"
            )
        return x

    return type_rule


def _scatter_batch(name: str) -> Rule:
    def batch(size: int, batched: Sequence[bool], x: Any, index: Any, new: Any) -> Any:
        args = zip((x, index, new), batched, strict=True)
        x, index, new = (a if flag else broadcast(a, shape=(size, *a.shape)) for a, flag in args)
        out = TABLE[name](_fold(x), rows(size, index, x.shape[1]), new)
        return reshape(out, shape=x.shape)

    return batch


def _scatter_samples(repeat: bool) -> Callable[[np.random.Generator], list[Sample]]:
    def samples(rng: np.random.Generator) -> list[Sample]:
        cases = [((5,), (3,)), ((5, 2), ()), ((6, 2), (2, 2)), ((3,), (0,))]
        out = []
        for x, i in cases:
            n = int(np.prod(i))
            index = rng.integers(0, x[0], i) if repeat else rng.permutation(x[0])[:n].reshape(i)
            out.append(Sample((rng.normal(size=x), index, rng.normal(size=(*i, *x[1:])))))
        return out

    return samples


_scatter_errors = (
    *(ErrorSample((*e.args, np.ones(2)), {}, e.words) for e in _gather_errors),
    ErrorSample((np.ones((5, 2)), np.ones(3, int), np.ones(3)), {}, "must be (3, 2)"),
)


def _scatter_add(x: Any, index: Any, new: Any) -> Any:
    out = np.array(x)
    np.add.at(out, inside(index, x.shape[0]), new)
    return out


scatter_add: Primitive = Primitive(
    "scatter_add",
    "x with values added at indices along the first axis; values at a repeated index all count.",
    type_rule=_scatter_type("scatter_add"),
    evaluate=_scatter_add,
    vjp=lambda i, ct, y, x, index, new: (ct, None, gather(ct, index) if i == 2 else None)[i],
    jvp=lambda tangents, y, x, index, new: _scatter_jvp(scatter_add, tangents, x, index, new),
    batch=_scatter_batch("scatter_add"),
    lowering=Index("scatter_add"),
    notation=r"{0}[{1}] \mathrel{{+}}= {2}",
    samples=_scatter_samples(repeat=True),
    errors=_scatter_errors,
)


def _scatter_jvp(
    primitive: Primitive, tangents: Sequence[Any], x: Any, index: Any, new: Any
) -> Any:
    tx, _, tn = tangents
    if tx is None and tn is None:
        return None
    return primitive(
        zeros_like(x) if tx is None else tx, index, zeros_like(new) if tn is None else tn
    )


def _scatter(x: Any, index: Any, new: Any) -> Any:
    out = np.array(x)
    flat = inside(index, x.shape[0]).reshape(-1)
    last = np.full(x.shape[0], -1)
    np.maximum.at(last, flat, np.arange(len(flat)))
    written = last >= 0
    out[written] = new.reshape(len(flat), *x.shape[1:])[last[written]]
    return out


def _scatter_vjp(i: int, ct: Any, y: Any, x: Any, index: Any, new: Any) -> Any:
    if i == 0:
        return scatter(ct, index, zeros_like(new))
    return gather(ct, index) * _written(x, index, new) if i == 2 else None


def _written(x: Any, index: Any, new: Any) -> Any:
    """1 where a value was the last one written at its index, 0 where a later one replaced it."""
    turn = np.arange(int(np.prod(index.shape))).reshape(index.shape)
    last = gather(scatter(np.broadcast_to(np.int64(0), x.shape[:1]), index, turn), index)
    shape = (*index.shape, *(1,) * (len(x.shape) - 1))
    return cast(reshape(eq(last, turn), shape=shape), dtype=new.dtype)


scatter: Primitive = Primitive(
    "scatter",
    "x with the elements at indices along the first axis replaced; at a repeated index "
    "the last value counts.",
    type_rule=_scatter_type("scatter"),
    evaluate=_scatter,
    vjp=_scatter_vjp,
    jvp=lambda tangents, y, x, index, new: _scatter_jvp(scatter, tangents, x, index, new),
    batch=_scatter_batch("scatter"),
    lowering=Index("scatter"),
    notation=r"{0}[{1}] \leftarrow {2}",
    samples=_scatter_samples(repeat=False),
    errors=_scatter_errors,
    kinks=(Kink("repeated index", "the derivative goes to the last value written"),),
    special=lambda: [
        Sample(
            (np.zeros(3), np.array([1, 1, 2]), np.array([5.0, 6.0, 7.0])),
            derivative=(np.array([1.0, 0.0, 0.0]), None, np.array([0.0, 1.0, 1.0])),
        )
    ],
)

"""Families of primitives: what all elementwise operations have in common is said once, here.

In: the few facts that differ (the partial derivatives, the scalar expression). Out: a full ``Primitive``
with type rule, broadcasting, vjp, jvp and batch rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.lowering import Lowering, Map
from deltarule.program.primitive import TABLE, ErrorSample, Kink, Primitive, Rule, Sample
from deltarule.program.samples import Samples
from deltarule.program.types import ArrayType

Partial = Callable[..., Any] | int | None


_common_shape = lru_cache(maxsize=4096)(np.broadcast_shapes)


def broadcast_shapes(name: str, types: Sequence[ArrayType]) -> tuple[int, ...]:
    """The common shape of the arguments under NumPy's broadcasting."""
    shape = types[0].shape
    if all(t.shape == shape for t in types):
        return shape
    try:
        return _common_shape(*[t.shape for t in types])
    except ValueError:
        given = " and ".join(map(repr, types))
        raise TypeRuleError(
            f"{name}: shapes do not broadcast: {given}. Sizes must be equal or 1 on each "
            "axis, counted from the last; "
            "reshape or transpose one of them"
        ) from None


def same_dtype(name: str, types: Sequence[ArrayType]) -> np.dtype[Any]:
    """The one dtype of all arguments."""
    dtype = types[0].dtype
    if any(t.dtype != dtype for t in types):
        raise TypeRuleError(
            f"{name}: dtypes differ: {' and '.join(map(repr, types))}; cast one with astype"
        )
    return dtype


def elementwise_type(name: str, kinds: str = "biufc", result: str | None = None) -> Rule:
    """Type rule: broadcast the shapes; one dtype, whose kind is among ``kinds``; ``result`` is another
    dtype."""
    fixed = None if result is None else np.dtype(result)

    def type_rule(first: ArrayType, *rest: ArrayType) -> ArrayType:
        dtype, shape = first.dtype, first.shape
        for other in rest:
            if other is first:
                continue
            if other.dtype is not dtype:
                same_dtype(name, (first, other))
            if other.shape and other.shape != shape:
                shape = broadcast_shapes(name, (first, *rest)) if shape else other.shape
        if dtype.kind not in kinds:
            raise TypeRuleError(
                f"{name} takes no {first!r}; cast it to float first, x.astype(float)"
            )
        if fixed is None and shape == first.shape:
            return first
        return ArrayType(shape, fixed or dtype)

    return type_rule


def unbroadcast(ct: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent over the axes along which an argument of ``shape`` was broadcast."""
    if ct.shape == shape:
        return ct
    lead = len(ct.shape) - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 and ct.shape[lead + i] != 1
    )
    summed = TABLE["sum"](ct, axes=axes)
    return summed if summed.shape == shape else TABLE["reshape"](summed, shape=shape)


def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` broadcast to ``shape``, itself where it has it."""
    return x if x.shape == shape else TABLE["broadcast"](x, shape=shape)


def total(terms: list[Any], y: Any) -> Any:
    """Sum of tangents, in the shape of ``y``; None where there are none."""
    if not terms:
        return None
    out = terms[0]
    for term in terms[1:]:
        out = out + term
    return broadcast_to(out, y.shape)


def batch_elementwise(primitive: str) -> Rule:
    """Batch rule: give batched arguments axes of size 1 behind the batch axis, so that ranks agree."""

    def batch(size: int, batched: Sequence[bool], *args: Any, **attrs: Any) -> Any:
        rank = max(len(x.shape) - flag for x, flag in zip(args, batched, strict=True))
        aligned = [align(x, rank) if flag else x for x, flag in zip(args, batched, strict=True)]
        return TABLE[primitive](*aligned, **attrs)

    return batch


def align(x: Any, rank: int) -> Any:
    """A batched array with ``rank`` axes behind the batch axis."""
    missing = rank + 1 - len(x.shape)
    if missing == 0:
        return x
    return TABLE["reshape"](x, shape=(x.shape[0], *(1,) * missing, *x.shape[1:]))


def elementwise(
    name: str,
    *,
    evaluate: Rule,
    partials: Sequence[Partial],
    scalar: str | Lowering,
    notation: str,
    samples: Samples,
    doc: str,
    singular: Sequence[int] = (),
    kinds: str = "fc",
    result: str | None = None,
    kinks: tuple[Kink, ...] = (),
    special: Callable[[], list[Sample]] = list,
    errors: tuple[ErrorSample, ...] = (),
) -> Primitive:
    """Declare an operation on each element, from its partial derivatives.

    ``partials[i]`` is ``(y, *args) -> dy/dx_i``, or the number 1 or -1 where that is what it is, or None
    where there is no derivative or it is zero. ``singular`` lists those that become infinite at some point
    of the domain: these are multiplied by ``zmul``, so that a cotangent of zero stays zero.
    """

    terms = [_term(partial, i in singular) for i, partial in enumerate(partials)]

    def vjp(i: int, ct: Any, y: Any, *args: Any) -> Any:
        term = terms[i]
        return None if term is None else unbroadcast(term(ct, y, args), args[i].shape)

    def jvp(tangents: Sequence[Any], y: Any, *args: Any) -> Any:
        given = zip(terms, tangents, strict=True)
        return total(
            [term(t, y, args) for term, t in given if t is not None and term is not None], y
        )

    differentiable = any(partial is not None for partial in partials)
    given = "f8" if "f" in kinds else "i8"
    unequal = ErrorSample((np.ones(2, given), np.ones(3, given)), {}, "do not broadcast")
    shape_errors = (unequal,) if len(partials) == 2 else ()
    return Primitive(
        name,
        doc,
        type_rule=elementwise_type(name, kinds, result),
        evaluate=evaluate,
        vjp=vjp if differentiable else None,
        jvp=jvp if differentiable else None,
        batch=batch_elementwise(name),
        lowering=Map(scalar) if isinstance(scalar, str) else scalar,
        notation=notation,
        samples=samples,
        errors=(*errors, *shape_errors, *_dtype_errors(len(partials), kinds)),
        kinks=kinks,
        special=special,
    )


def _term(partial: Partial, singular: bool) -> Rule | None:
    """The product of a cotangent or tangent with a partial derivative: ``(t, y, args) -> t dy/dx``."""
    if partial is None:
        return None
    if partial == 1:
        return lambda t, y, args: t
    if partial == -1:
        return lambda t, y, args: -t
    assert callable(partial)
    if singular:
        return lambda t, y, args: TABLE["zmul"](t, partial(y, *args))
    return lambda t, y, args: t * partial(y, *args)


def _dtype_errors(arity: int, kinds: str) -> tuple[ErrorSample, ...]:
    if "b" in kinds:
        return (
            (ErrorSample((np.ones(2), np.ones(2, "f4")), {}, "dtypes differ"),)
            if arity == 2
            else ()
        )
    return (ErrorSample((np.ones(2, bool),) * arity, {}, "takes no bool[2]"),)


def multilinear(primitive: str) -> Rule:
    """jvp of an operation that is linear in each argument: put the tangent in its place, and add up."""

    def jvp(tangents: Sequence[Any], y: Any, *args: Any, **attrs: Any) -> Any:
        def put(i: int) -> tuple[Any, ...]:
            return (*args[:i], tangents[i], *args[i + 1 :])

        return total(
            [TABLE[primitive](*put(i), **attrs) for i, t in enumerate(tangents) if t is not None], y
        )

    return jvp


def jointly_linear(primitive: str, arrays: int | None = None) -> Rule:
    """jvp of an operation that is linear in its first ``arrays`` arguments together: apply it to their
    tangents."""

    def jvp(tangents: Sequence[Any], y: Any, *args: Any, **attrs: Any) -> Any:
        n = len(args) if arrays is None else arrays
        if all(t is None for t in tangents[:n]):
            return None
        filled = [
            zeros_like(x) if t is None else t for t, x in zip(tangents[:n], args[:n], strict=True)
        ]
        return TABLE[primitive](*filled, *args[n:], **attrs)

    return jvp


@lru_cache(maxsize=4096)
def _zeros(dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(dtype.type(0), shape)


def zeros_like(x: Any) -> Any:
    """Zeros of the shape and dtype of ``x``, which may be traced: one zero, broadcast, which costs
    nothing."""
    return _zeros(x.dtype, x.shape)

"""Loops and choices that NumPy has no word for, so that they can be compiled: ``scan``.

In: a function of one step. Out: the traced loop, one node whatever its length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.derive.trace import stage
from deltarule.derive.tree import flatten, paths, unflatten
from deltarule.derive.ufuncs import operand
from deltarule.errors import DataError, TypeRuleError
from deltarule.program import Graph, ops, type_of
from deltarule.program.types import ArrayType


def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run steps one after the other: carry, y[t] = f(carry, x[t]) for t = 0, 1, ...

    Parameters
    ----------
    f : callable
        ``f(carry, x) -> (carry, y)``; traced once, on types.
    init : tree
        The first carry; its shapes and dtypes stay the same at every step.
    xs : tree or None
        Arrays whose first axis counts the steps.
    length : int, optional
        Number of steps, needed where ``xs`` is None.
    reverse : bool
        From the last step to the first.

    Returns
    -------
    carry : tree
        The last carry.
    ys : tree
        The results of all steps, stacked.

    Raises
    ------
    TypeRuleError
        Where a step changes the type of the carry.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> total, sums = dr.scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> float(total), sums
    (6.0, array([1., 3., 6.]))
    """
    carry, carry_spec = flatten(init)
    rows, row_spec = flatten(xs)
    carry, rows = ([_array(x) for x in part] for part in (carry, rows))
    n = _length(rows, row_spec, length)
    types = [*map(type_of, carry), *(ArrayType(x.shape[1:], x.dtype) for x in rows)]
    y_spec: list[Any] = []

    def body(*values: Any) -> list[Any]:
        out = f(
            unflatten(carry_spec, values[: len(carry)]), unflatten(row_spec, values[len(carry) :])
        )
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeRuleError(f"scan: a step must return (carry, y), not {type(out).__name__}")
        new, spec = flatten(out[0])
        if spec != carry_spec:
            raise TypeRuleError(
                f"scan: the carry enters a step as {carry_spec} and leaves it as {spec}; "
                "they must be the same"
            )
        ys, spec = flatten(out[1])
        y_spec.append(spec)
        return [*new, *ys]

    staged = stage(body, types)
    graph, k = staged.graph, len(types)
    ordered = Graph((*graph.inputs[k:], *graph.inputs[:k]), graph.outputs)
    attrs = {"consts": len(staged.captured), "carries": len(carry), "length": n, "reverse": reverse}
    given = [*staged.captured, *carry, *rows]
    ops.scan.type_rule(*map(type_of, given), body=ordered, **attrs)
    out = ops.scan(*given, body=ordered, **attrs)
    return unflatten(carry_spec, out[: len(carry)]), unflatten(y_spec[0], out[len(carry) :])


def _array(x: Any) -> Any:
    return x if hasattr(x, "dtype") else np.asarray(operand(x))[()]


def _length(rows: list[Any], spec: Any, length: int | None) -> int:
    sizes = {} if length is None else {length: "length"}
    for x, path in zip(rows, paths(spec), strict=True):
        if not x.shape:
            raise DataError(f"scan: xs{path} has no axis to step along")
        sizes.setdefault(x.shape[0], f"xs{path}")
    if len(sizes) != 1:
        found = (
            ", ".join(f"{n} by {place}" for n, place in sizes.items())
            or "neither xs nor length is given"
        )
        raise DataError(f"scan: the number of steps must be one: {found}")
    return next(iter(sizes))

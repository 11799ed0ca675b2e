"""Loops and choices that NumPy has no word for, so that they can be compiled: scan, while_loop, cond.

In: functions of one step, or of one branch. Out: the traced loop or choice, one node whatever its length.
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


def while_loop(test: Callable[[Any], Any], f: Callable[[Any], Any], init: Any) -> Any:
    """Run steps as long as a test holds: while test(carry): carry = f(carry).

    Under ``dr.compile`` and in ``dr.fit`` the loop is part of the machine code. Forward mode goes through
    it (``dr.jvp``), ``dr.vmap`` too; reverse mode does not, since the number of steps is not known
    beforehand.

    Parameters
    ----------
    test : callable
        ``test(carry) -> bool``, a NumPy expression; traced once, on types.
    f : callable
        ``f(carry) -> carry``; likewise.
    init : tree
        The first carry; its shapes and dtypes stay the same at every step.

    Returns
    -------
    tree
        The first carry for which the test fails; ``init`` where it fails at once.

    Raises
    ------
    TypeRuleError
        Where a step changes the type of the carry, or the test is not one bool.
    GradientError
        In reverse mode.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> def root(a):  # Heron's method
    ...     def test(x):
    ...         return np.abs(x * x - a) > 1e-12 * a
    ...     return dr.while_loop(test, lambda x: (x + a / x) / 2, a)
    >>> print(root(2.0).round(12))
    1.414213562373
    >>> print(dr.jvp(root, (2.0,), (1.0,))[1].round(12))  # 1 / (2 sqrt(2))
    0.353553390593
    """
    carry, spec = flatten(init)
    carry = [_array(x) for x in carry]
    go = _truth(test(unflatten(spec, carry)))

    def body(_: Any, *values: Any) -> list[Any]:
        new, found = flatten(f(unflatten(spec, values)))
        if found != spec:
            raise TypeRuleError(
                f"while_loop: the carry enters a step as {spec} and leaves it as {found}; "
                "they must be the same"
            )
        new = [_array(x) for x in new]
        return [_truth(test(unflatten(spec, new))), *new]

    staged = stage(body, [type_of(x) for x in (go, *carry)])
    graph, k = staged.graph, 1 + len(carry)
    ordered = Graph((*graph.inputs[k:], *graph.inputs[:k]), graph.outputs)
    given = [*staged.captured, go, *carry]
    attrs = {"body": ordered, "consts": len(staged.captured)}
    ops.while_loop.type_rule(*map(type_of, given), **attrs)
    out = ops.while_loop(*given, **attrs)
    return unflatten(spec, out[1:])


def cond(pred: Any, on_true: Callable[..., Any], on_false: Callable[..., Any], *args: Any) -> Any:
    """The results of one of two functions: on_true(args) if pred else on_false(args).

    Only the branch that is taken is computed, by machine code as well; ``np.where`` computes both. What
    a branch makes of other traced values than ``args`` stands before the choice and is always computed:
    hand over what it works on. Its derivative is that of the branch. Under ``dr.vmap`` with a ``pred`` for
    each example both are computed.

    Parameters
    ----------
    pred : bool
        What decides; a traced value, too.
    on_true, on_false : callable
        Functions of the same arguments, with results of the same structure, shapes and dtypes; both are
        traced, on types.
    args : trees
        What the one that is taken gets.

    Returns
    -------
    tree

    Raises
    ------
    TypeRuleError
        Where the branches give different structures or types, or ``pred`` is not one bool.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> f = lambda x: dr.cond(x > 1.0, np.log, lambda x: x - 1.0, x)
    >>> print(dr.grad(f)(4.0), dr.grad(f)(-4.0))
    0.25 1.0
    """
    leaves, spec = flatten(args)
    leaves = [_array(x) for x in leaves]
    types = [type_of(x) for x in leaves]
    specs: list[Any] = []

    def branch(f: Callable[..., Any]) -> Any:
        def run(*values: Any) -> list[Any]:
            found, own = flatten(f(*unflatten(spec, values)))
            specs.append(own)
            return [_array(x) for x in found]

        return stage(run, types)

    one, other = branch(on_true), branch(on_false)
    if specs[0] != specs[1]:
        raise TypeRuleError(
            f"cond: the first branch returns {specs[0]}, the second {specs[1]}; they must be the same"
        )
    captured = [*one.captured, *other.captured]
    n, m = len(leaves), len(one.captured)
    (mine, theirs), (a, b) = (one.graph, other.graph), (one.graph.inputs, other.graph.inputs)
    graphs = {
        "on_true": Graph((*a, *_unread(other.captured)), mine.outputs),
        "on_false": Graph((*b[:n], *_unread(captured[:m]), *b[n:]), theirs.outputs),
    }
    given = [_truth(pred), *leaves, *captured]
    ops.cond.type_rule(*map(type_of, given), **graphs)
    return unflatten(specs[0], ops.cond(*given, **graphs))


def _unread(values: Any) -> list[Any]:
    """Inputs that a branch is given and does not read."""
    types = [type_of(x) for x in values]
    return list(stage(lambda *xs: [], types).graph.inputs)


def _truth(x: Any) -> Any:
    """One bool; TypeRuleError where it is something else."""
    x = _array(x)
    if x.shape != () or x.dtype != np.bool_:
        raise TypeRuleError(
            f"a test gives one bool, not {type_of(x)!r}; compare, as np.sum(x) > 0, or use np.any"
        )
    return x


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

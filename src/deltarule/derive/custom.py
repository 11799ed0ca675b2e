"""Exceptions to the rules: a derivative of the user's own, values taken as constant, numbers taken out.

In: functions and traced values. Out: traced values with other derivatives, or plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from deltarule.derive.trace import baked, stage
from deltarule.derive.tracer import Tracer, is_python, weakened
from deltarule.derive.tree import flatten, tree_map, unflatten
from deltarule.errors import GradientError, TracedValueError
from deltarule.program import Graph, interpret, ops, type_of
from deltarule.program.primitive import innermost
from deltarule.program.types import ArrayType


def value(x: Any) -> Any:
    """The plain number behind a traced value; no gradient flows through it.

    Raises
    ------
    TracedValueError
        While compiling, batching or scanning, where it is not known.

    Examples
    --------
    >>> import deltarule as dr
    >>> seen = []
    >>> float(dr.grad(lambda x: x**2 + 0 * seen.append(dr.value(x)) if seen else x**2)(3.0))
    6.0
    """
    weak = is_python(x)
    while isinstance(x, Tracer):
        if not x.known:
            raise TracedValueError(
                f"dr.value of a traced {x._node.type} whose number is not known while "
                f"compiling, batching or scanning ({x._place()}). "
                "Return it as a result instead"
            )
        x = x.value
    if isinstance(x, np.ndarray):
        return np.array(x)
    return x.item() if weak and isinstance(x, np.generic) else x


def stop_gradient(x: Any) -> Any:
    """The same value, taken as constant by every derivative: d stop_gradient(x) / dx = 0.

    Examples
    --------
    >>> import deltarule as dr
    >>> float(dr.grad(lambda x: x * dr.stop_gradient(x))(3.0))
    3.0
    """

    def stopped(leaf: Any) -> Any:
        if not isinstance(leaf, Tracer):
            return leaf
        y = ops.stop_gradient(leaf)
        return weakened(y) if leaf.weak else y

    return tree_map(stopped, x)


def custom_vjp(
    f: Callable[..., Any], fwd: Callable[..., Any], bwd: Callable[..., Any]
) -> Callable[..., Any]:
    """A function whose reverse rule is given by hand.

    Parameters
    ----------
    f : callable
        ``f(*xs) -> y``, used where no derivative is wanted.
    fwd : callable
        ``fwd(*xs) -> (y, residuals)``.
    bwd : callable
        ``bwd(residuals, ct) -> tuple`` with one cotangent per argument.

    Notes
    -----
    In ``dr.grad`` and ``dr.vjp`` the three are called with plain numbers where these are known: ``f`` and
    ``fwd`` may then use any library. While compiling, batching or scanning they are traced.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> clipped = dr.custom_vjp(lambda x: x, lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
    >>> float(dr.grad(lambda x: 100 * clipped(x))(1.0))
    1.0
    """

    @wraps(f)
    def with_rule(*xs: Any) -> Any:
        leaves, spec = flatten(xs)
        trace: Any = innermost(tuple(leaves))
        if trace is None:
            return f(*xs)
        own = [x for x in leaves if isinstance(x, Tracer) and x.within is trace]
        if all(x.node in trace.values for x in own):
            return _with_known_values(trace, leaves, spec, fwd, bwd)
        return _with_graphs(leaves, spec, f, fwd, bwd)

    return with_rule


def _with_known_values(trace: Any, leaves: list[Any], spec: Any, fwd: Any, bwd: Any) -> Any:
    """Call ``fwd`` one level out, and put a node on the tape whose rule calls ``bwd``."""
    nodes = tuple(
        x.node if isinstance(x, Tracer) and x.within is trace else trace.capture(_array(x))
        for x in leaves
    )
    values = [_outside(trace.values[node], x) for node, x in zip(nodes, leaves, strict=True)]
    pair = fwd(*unflatten(spec, values))
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise GradientError(
            f"custom_vjp: fwd must return (y, residuals), not {type(pair).__name__}"
        )
    y, residuals = pair
    if any(isinstance(x, Tracer) and x.within is trace for x in flatten(pair)[0]):
        raise GradientError(
            "custom_vjp: fwd uses a traced value of the function around it, through which "
            "no derivative would flow. Pass it as an "
            "argument, or cut the derivative with dr.stop_gradient and dr.value"
        )
    ys, out_spec = flatten(y)
    outs = tuple(_array(y) for y in ys)

    def backward(cts: list[Any]) -> list[Any]:
        return check_cotangents(bwd(residuals, unflatten(out_spec, cts)), spec, nodes)

    types = tuple(type_of(y) for y in outs)
    results = trace.call(nodes, outs, {"types": types, "backward": backward})
    return unflatten(out_spec, results)


def _array(x: Any) -> Any:
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


def _outside(x: Any, inside: Any) -> Any:
    """A value one level out, a Python number where it is one inside."""
    if not is_python(inside):
        return x
    return weakened(x) if isinstance(x, Tracer) else np.asarray(x).item()


def check_cotangents(found: Any, spec: Any, nodes: Any) -> list[Any]:
    """What ``bwd`` returned, one leaf per argument leaf."""
    if not isinstance(found, tuple):
        raise GradientError(
            f"custom_vjp: bwd returned {type(found).__name__}; it must return a tuple, one "
            "cotangent per argument"
        )
    try:
        parts = spec.flatten_up_to(found)
    except (TypeError, ValueError) as error:
        raise GradientError(
            "custom_vjp: bwd must return a tuple with one cotangent per argument, each in "
            f"that argument's structure: {error}"
        ) from None
    return [_fitting(ct, node.type) for ct, node in zip(parts, nodes, strict=True)]


def _fitting(ct: Any, kind: ArrayType) -> Any:
    """A cotangent of that type; None where there is none, or the argument is no float."""
    if ct is None or not kind.is_float:
        return None
    if not isinstance(ct, (Tracer, np.ndarray, np.generic, int, float)):
        raise GradientError(
            f"custom_vjp: bwd gave a {type(ct).__name__} as the cotangent of an argument {kind}"
        )
    ct = _array(ct)
    if ct.shape != kind.shape:
        raise GradientError(
            f"custom_vjp: bwd gave a cotangent of shape {ct.shape} for an argument {kind}"
        )
    return ct if ct.dtype == kind.dtype else ops.cast(ct, dtype=kind.dtype)


def _with_graphs(leaves: list[Any], spec: Any, f: Any, fwd: Any, bwd: Any) -> Any:
    """Trace the three functions on types, and record one node that holds their graphs."""
    weak = [is_python(x) for x in leaves]
    leaves = [_array(x) for x in leaves]
    types = [type_of(x) for x in leaves]
    n, specs = len(leaves), {}

    def call(*values: Any) -> list[Any]:
        ys, specs["y"] = flatten(f(*unflatten(spec, values)))
        return ys

    def forward(*values: Any) -> list[Any]:
        y, residuals = fwd(*unflatten(spec, values))
        ys, _ = flatten(y)
        rs, specs["r"] = flatten(residuals)
        return ys + rs

    whole, ahead = stage(call, types, weak), stage(forward, types, weak)
    m = len(whole.graph.outputs)

    def backward(*values: Any) -> list[Any]:
        k = len(values) - m
        found = bwd(unflatten(specs["r"], values[:k]), unflatten(specs["y"], values[k:]))
        cts = check_cotangents(found, spec, whole.graph.inputs[:n])
        return [
            np.broadcast_to(t.dtype.type(0), t.shape) if ct is None else ct
            for ct, t in zip(cts, types, strict=True)
        ]

    behind = stage(backward, [*ahead.graph.result_types[m:], *whole.graph.result_types])
    return unflatten(specs["y"], record(leaves, whole, ahead, behind))


def record(leaves: list[Any], whole: Any, ahead: Any, behind: Any) -> tuple[Any, ...]:
    """One ``custom_vjp`` node; arrays that the functions captured become arguments of all three graphs."""
    n, k, m = len(leaves), len(ahead.graph.outputs), len(whole.graph.outputs)
    extra = [*whole.captured, *ahead.captured, *behind.captured]
    a, b = len(whole.captured), len(ahead.captured)

    def run_call(*values: Any) -> tuple[Any, ...]:
        return _interpret(whole.graph, values[:n], values[n : n + a])

    def run_forward(*values: Any) -> tuple[Any, ...]:
        return (
            *_interpret(ahead.graph, values[:n], values[n + a : n + a + b]),
            *values[n + a + b :],
        )

    def run_backward(*values: Any) -> list[Any]:
        residuals, rest = values[: k - m], values[k - m :]
        captured, cts = rest[: len(behind.captured)], rest[len(behind.captured) :]
        found = list(_interpret(behind.graph, (*residuals, *cts), captured))
        return found + [np.broadcast_to(x.dtype.type(0), x.shape) for x in extra]

    types = [type_of(x) for x in (*leaves, *extra)]
    graphs: dict[str, Graph] = {
        "call": stage(run_call, types).graph,
        "forward": stage(run_forward, types).graph,
    }
    kept = [*graphs["forward"].result_types[m:], *whole.graph.result_types]
    graphs["backward"] = baked(stage(run_backward, kept))
    return tuple(ops.custom_vjp(*leaves, *extra, **graphs))


def _interpret(graph: Graph, args: Any, captured: Any) -> tuple[Any, ...]:
    return interpret(graph, *args, *captured)

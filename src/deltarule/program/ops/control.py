"""Structure: inputs, literals, one of several results, loops, functions with a derivative of their own.

In: arrays and closed subgraphs as attrs. Out: one or several arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import GradientError, TypeRuleError
from deltarule.program.families import zeros_like
from deltarule.program.graph import Graph
from deltarule.program.interpret import interpret
from deltarule.program.lowering import Alias, Loop, Opaque
from deltarule.program.ops.elementwise import tanh
from deltarule.program.ops.shape import broadcast, transpose
from deltarule.program.primitive import Primitive, Sample
from deltarule.program.transforms import transform
from deltarule.program.types import ArrayType, type_of


def _none(rng: np.random.Generator) -> list[Sample]:
    return []


def _no_evaluation(*args: Any, **attrs: Any) -> Any:
    raise AssertionError("inputs and foreign calls are not evaluated: their values are given")


input_ = Primitive(
    "input",
    "A value given from outside.",
    type_rule=lambda type: ArrayType.parse(type),
    evaluate=_no_evaluation,
    vjp=None,
    jvp=None,
    batch=_no_evaluation,
    lowering=Alias(),
    notation="x",
    samples=_none,
    errors=(),
)

literal = Primitive(
    "literal",
    "A number, or a small constant array, written in the program.",
    type_rule=lambda value, dtype, shape=(): ArrayType(shape, dtype),
    evaluate=lambda value, dtype, shape=(): np.array(value, dtype).reshape(shape)[()],
    vjp=None,
    jvp=None,
    batch=_no_evaluation,
    lowering=Alias(),
    notation="c",
    samples=lambda rng: [
        Sample((), {"value": 2.5, "dtype": np.dtype("f8")}),
        Sample((), {"value": 3, "dtype": np.dtype("i8")}),
        Sample((), {"value": (1, 2, 3, 4), "dtype": np.dtype("i8"), "shape": (2, 2)}),
    ],
    errors=(),
)

result = Primitive(
    "result",
    "One of the results of an operation that has several.",
    type_rule=lambda several, index: several[index],
    evaluate=lambda several, index: several[index],
    vjp=None,
    jvp=None,
    batch=lambda size, batched, several, index: several[index],
    lowering=Alias(),
    notation="{0}",
    samples=_none,
    errors=(),
)

stop_gradient: Primitive = Primitive(
    "stop_gradient",
    "The same value, taken as constant by every derivative.",
    type_rule=lambda x: x,
    evaluate=lambda x: x,
    vjp=None,
    jvp=None,
    batch=lambda size, batched, x: stop_gradient(x),
    lowering=Alias(),
    notation="{0}",
    samples=lambda rng: [Sample((rng.normal(size=(2, 3)),))],
    errors=(),
)


def _split_args(
    args: Sequence[Any], consts: int, carries: int
) -> tuple[list[Any], list[Any], list[Any]]:
    return (
        list(args[:consts]),
        list(args[consts : consts + carries]),
        list(args[consts + carries :]),
    )


def _scan_type(
    *types: ArrayType, body: Graph, consts: int, carries: int, length: int, reverse: bool
) -> Any:
    const, carry, xs = _split_args(types, consts, carries)
    for x in xs:
        if x.shape[:1] != (length,):
            raise TypeRuleError(
                f"scan of {length} steps over {x!r}: its first axis must have size {length}"
            )
    given = (*const, *carry, *(ArrayType(x.shape[1:], x.dtype) for x in xs))
    if given != body.types:
        raise TypeRuleError(f"scan: the body takes {body.types}, it is given {given}")
    out = body.result_types
    if out[:carries] != tuple(carry):
        raise TypeRuleError(
            f"scan: the carry enters a step as {tuple(carry)} and leaves it as "
            f"{out[:carries]}; both must be the same: "
            "start from zeros of the final shape and dtype"
        )
    return (*out[:carries], *(ArrayType((length, *y.shape), y.dtype) for y in out[carries:]))


def _scan(
    *args: Any, body: Graph, consts: int, carries: int, length: int, reverse: bool
) -> tuple[Any, ...]:
    const, carry, xs = _split_args(args, consts, carries)
    outs = [np.empty((length, *t.shape), t.dtype) for t in body.result_types[carries:]]
    for step in reversed(range(length)) if reverse else range(length):
        results = interpret(body, *const, *carry, *(x[step] for x in xs))
        carry = list(results[:carries])
        for out, y in zip(outs, results[carries:], strict=True):
            out[step] = y
    return (*carry, *outs)


def _scan_vjp(
    needs: Sequence[bool], cts: Sequence[Any], ys: Any, *args: Any, **attrs: Any
) -> list[Any]:
    """Run the steps again and keep what the derivative needs, then go through them in the other
    direction."""
    body, n, c = attrs["body"], attrs["consts"], attrs["carries"]
    floats = [t.is_float for t in body.types]
    wanted = tuple(
        f and (need or n <= i < n + c)
        for i, (f, need) in enumerate(zip(floats, needs, strict=True))
    )
    forward, backward = transform("split", body, wanted)
    keeping = Graph(forward.inputs, (*forward.outputs, *forward.inputs[n : n + c]))
    kept = scan(*args, **{**attrs, "body": keeping})[len(body.outputs) :]
    residuals, entered = kept[: len(kept) - c], kept[len(kept) - c :]
    given = [_filled(ct, y) for ct, y in zip(cts, ys, strict=True) if y.dtype.kind in "fc"]
    float_carries = sum(t.is_float for t in body.result_types[:c])
    carry_cts, y_cts = given[:float_carries], given[float_carries:]
    const, _, xs = _split_args(args, n, c)
    sums = [zeros_like(x) for x, want in zip(const, wanted, strict=False) if want]

    def step(*values: Any) -> list[Any]:
        it = iter(values)
        consts, totals, carry, inputs, x, kept_values, out_cts = (
            [next(it) for _ in group]
            for group in (const, sums, carry_cts, entered, xs, residuals, y_cts)
        )
        found = list(interpret(backward, *consts, *inputs, *x, *kept_values, *carry, *out_cts))
        new = [total + ct for total, ct in zip(totals, found, strict=False)]
        return new + found[len(new) :]

    rows = [*entered, *xs, *residuals, *y_cts]
    types = [
        *map(type_of, (*const, *sums, *carry_cts)),
        *(ArrayType(x.shape[1:], x.dtype) for x in rows),
    ]
    turned = {
        "length": attrs["length"],
        "reverse": not attrs["reverse"],
        "consts": n,
        "carries": len(sums) + len(carry_cts),
    }
    out = iter(
        scan(*const, *sums, *carry_cts, *rows, body=transform("stage", step, types), **turned)
    )
    return [next(out) if want else None for want in wanted]


def _filled(t: Any, x: Any) -> Any:
    return broadcast(np.zeros((), x.dtype), shape=x.shape) if t is None else t


def _scan_jvp(tangents: Sequence[Any], ys: Any, *args: Any, **attrs: Any) -> list[Any]:
    body, n, c = attrs["body"], attrs["consts"], attrs["carries"]
    moving = [
        t is not None or (n <= i < n + c and body.types[i].is_float) for i, t in enumerate(tangents)
    ]
    both = transform("forward", body, tuple(moving))
    ts = [_filled(t, x) for t, x, move in zip(tangents, args, moving, strict=True) if move]
    nt, ct = sum(moving[:n]), sum(moving[n : n + c])
    out_floats = [t.is_float for t in body.result_types]

    def step(*values: Any) -> list[Any]:
        it = iter(values)
        groups = (
            range(n),
            range(nt),
            range(c),
            range(ct),
            range(len(args) - n - c),
            range(len(ts) - nt - ct),
        )
        const, tconst, carry, tcarry, x, tx = ([next(it) for _ in group] for group in groups)
        out = list(interpret(both, *const, *carry, *x, *tconst, *tcarry, *tx))
        y, t = out[: len(body.outputs)], out[len(body.outputs) :]
        m = sum(out_floats[:c])
        return [*y[:c], *t[:m], *y[c:], *t[m:]]

    const, carry, xs = _split_args(args, n, c)
    rows = [*xs, *ts[nt + ct :]]
    whole = [*const, *ts[:nt], *carry, *ts[nt : nt + ct]]
    types = [*map(type_of, whole), *(ArrayType(x.shape[1:], x.dtype) for x in rows)]
    turned = {
        "length": attrs["length"],
        "reverse": attrs["reverse"],
        "consts": n + nt,
        "carries": c + ct,
    }
    out = list(scan(*whole, *rows, body=transform("stage", step, types), **turned))
    later = out[c : c + ct] + out[len(body.outputs) + ct :]
    found = iter(later)
    return [next(found) if is_float else None for is_float in out_floats]


def _scan_batch(size: int, batched: Sequence[bool], *args: Any, **attrs: Any) -> tuple[Any, ...]:
    n, c = attrs["consts"], attrs["carries"]
    flags = tuple(flag or n <= i < n + c for i, flag in enumerate(batched))
    given = []
    for i, (x, flag) in enumerate(zip(args, batched, strict=True)):
        if n <= i < n + c and not flag:
            x = broadcast(x, shape=(size, *x.shape))
        given.append(_swap_lead(x) if flag and i >= n + c else x)
    out = scan(*given, **{**attrs, "body": transform("batch", attrs["body"], size, flags)})
    return (*out[:c], *(_swap_lead(y) for y in out[c:]))


def _swap_lead(x: Any) -> Any:
    return transpose(x, order=(1, 0, *range(2, len(x.shape))))


def _scan_samples(rng: np.random.Generator) -> list[Sample]:
    def body(w: Any, h: Any, x: Any) -> list[Any]:
        new = tanh(w * h + x)
        return [new, new * x]

    types = [ArrayType((2,), np.dtype("f8"))] * 3
    graph = transform("stage", body, types)
    attrs = {"body": graph, "consts": 1, "carries": 1, "length": 3, "reverse": False}
    args = tuple(rng.normal(size=s) for s in ((2,), (2,), (3, 2)))
    none = tuple(rng.normal(size=s) for s in ((2,), (2,), (0, 2)))
    return [
        Sample(args, attrs),
        Sample(args, {**attrs, "reverse": True}),
        Sample(none, {**attrs, "length": 0}),
    ]


scan = Primitive(
    "scan",
    "Steps one after the other: carry, y_t = body(consts, carry, x_t).",
    type_rule=_scan_type,
    evaluate=_scan,
    vjp=_scan_vjp,
    jvp=_scan_jvp,
    batch=_scan_batch,
    lowering=Loop(),
    notation=r"\mathrm{{scan}}",
    samples=_scan_samples,
    errors=(),
    joint=True,
)


def _custom_type(*types: ArrayType, call: Graph, **rest: Any) -> Any:
    if types != call.types:
        raise TypeRuleError(
            f"a function with its own derivative was traced for {call.types}, it is given {types}"
        )
    return call.result_types


def _custom_vjp(
    needs: Sequence[bool], cts: Sequence[Any], ys: Any, *args: Any, **graphs: Graph
) -> list[Any]:
    residuals = interpret(graphs["forward"], *args)[len(ys) :]
    given = [_filled(ct, y) for ct, y in zip(cts, ys, strict=True)]
    found = interpret(graphs["backward"], *residuals, *given)
    return [ct if need else None for ct, need in zip(found, needs, strict=True)]


def _custom_jvp(tangents: Sequence[Any], ys: Any, *args: Any, **graphs: Graph) -> Any:
    raise GradientError(
        "forward mode (jvp) through a function whose reverse rule was given by "
        "dr.custom_vjp: it has no forward rule. "
        "Use dr.vjp or dr.grad (dr.check_grads with modes=['reverse']), or write the "
        "function without custom_vjp"
    )


def _custom_batch(size: int, batched: Sequence[bool], *args: Any, **graphs: Graph) -> Any:
    full = [
        x if flag else broadcast(x, shape=(size, *x.shape))
        for x, flag in zip(args, batched, strict=True)
    ]
    every = {
        name: transform("batch", graph, size, (True,) * len(graph.inputs))
        for name, graph in graphs.items()
    }
    return custom_vjp(*full, **every)


def _custom_samples(rng: np.random.Generator) -> list[Sample]:
    f = ArrayType((3,), np.dtype("f8"))
    call = transform("stage", lambda x: [x * x], [f])
    forward = transform("stage", lambda x: [x * x, x], [f])
    backward = transform("stage", lambda x, ct: [ct * x * 2], [f, f])
    return [Sample((rng.normal(size=3),), {"call": call, "forward": forward, "backward": backward})]


custom_vjp = Primitive(
    "custom_vjp",
    "A function with a reverse rule of its own: forward gives results and residuals, "
    "backward takes residuals and cotangents.",
    type_rule=_custom_type,
    evaluate=lambda *args, call, **rest: interpret(call, *args),
    vjp=_custom_vjp,
    jvp=_custom_jvp,
    batch=_custom_batch,
    lowering=Loop(),
    notation="f({0})",
    samples=_custom_samples,
    errors=(),
    joint=True,
)


def _foreign_vjp(
    needs: Sequence[bool], cts: Sequence[Any], ys: Any, *args: Any, types: Any, backward: Any
) -> list[Any]:
    found: list[Any] = backward([_filled(ct, y) for ct, y in zip(cts, ys, strict=True)])
    return found


foreign = Primitive(
    "foreign",
    "A call of Python code with a reverse rule of its own, on known values: it stands on "
    "a tape, never in a closed graph.",
    type_rule=lambda *args, types, backward: types,
    evaluate=_no_evaluation,
    vjp=_foreign_vjp,
    jvp=_custom_jvp,
    batch=_no_evaluation,
    lowering=Opaque("Python code"),
    notation="f({0})",
    samples=_none,
    errors=(),
    joint=True,
)

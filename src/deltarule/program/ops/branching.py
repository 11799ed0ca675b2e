"""Loops whose end is decided while they run, and choices between programs.

In: arrays and closed subgraphs as attrs. Out: several arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import GradientError, TypeRuleError
from deltarule.program.families import zeros_like
from deltarule.program.graph import Graph
from deltarule.program.interpret import interpret
from deltarule.program.lowering import Loop
from deltarule.program.ops.elementwise import mul, tanh
from deltarule.program.ops.logic import and_, cast, gt, lt, select
from deltarule.program.ops.reduce import sum_
from deltarule.program.ops.shape import broadcast, reshape
from deltarule.program.primitive import ErrorSample, Primitive, Sample
from deltarule.program.transforms import transform
from deltarule.program.types import BOOL, INT, ArrayType, type_of

TRUTH = ArrayType((), BOOL)


def _filled(t: Any, x: Any) -> Any:
    return zeros_like(x) if t is None else t


# --- while ---


def _while_type(*types: ArrayType, body: Graph, consts: int) -> Any:
    carry = types[consts:]
    if not carry or carry[0] != TRUTH:
        raise TypeRuleError(
            f"while_loop goes on as long as its first carry is true, which is a {TRUTH!r}, not "
            f"{carry[0] if carry else 'missing'!r}"
        )
    if types != body.types:
        raise TypeRuleError(f"while_loop: the body takes {body.types}, it is given {types}")
    if body.result_types != carry:
        raise TypeRuleError(
            f"while_loop: the carry enters a step as {carry} and leaves it as {body.result_types}; "
            "both must be the same: start from values of the final shape and dtype"
        )
    return carry


def _while(*args: Any, body: Graph, consts: int) -> tuple[Any, ...]:
    const, carry = args[:consts], args[consts:]
    while carry[0]:
        carry = interpret(body, *const, *carry)
    return tuple(carry)


def _while_vjp(*args: Any, **attrs: Any) -> Any:
    raise GradientError(
        "reverse mode (dr.grad, dr.vjp) through dr.while_loop: how many steps it takes is not known "
        "before it has run, so nothing is kept to go back along. Use dr.scan with a fixed number of "
        "steps (and np.where for steps that come too late), or forward mode, dr.jvp"
    )


def _while_jvp(tangents: Sequence[Any], ys: Any, *args: Any, body: Graph, consts: int) -> Any:
    """Values and tangents go through the same steps, as many as the values take."""
    moving = tuple(
        body.types[i].is_float and (i >= consts or t is not None) for i, t in enumerate(tangents)
    )
    both = transform("forward", body, moving)
    pairs = list(zip(tangents, args, moving, strict=True))
    ts = [_filled(t, x) for t, x, move in pairs if move]
    nt, n = sum(moving[:consts]), len(args) - consts

    def step(*values: Any) -> list[Any]:
        const, tconst = values[:consts], values[consts : consts + nt]
        carry, tcarry = values[consts + nt :][:n], values[consts + nt + n :]
        return list(interpret(both, *const, *carry, *tconst, *tcarry))

    given = [*args[:consts], *ts[:nt], *args[consts:], *ts[nt:]]
    graph = transform("stage", step, list(map(type_of, given)))
    found = iter(while_loop(*given, body=graph, consts=consts + nt)[n:])
    return [next(found) if t.is_float else None for t in body.result_types]


def _while_batch(size: int, batched: Sequence[bool], *args: Any, body: Graph, consts: int) -> Any:
    """All rows step as long as one of them goes on; rows that are done stay as they are."""
    flags = (*batched[:consts], *(True for _ in args[consts:]))
    every = transform("batch", body, size, flags)

    def step(*values: Any) -> list[Any]:
        const, going, old = values[:consts], values[consts + 1], values[consts + 1 :]
        new = interpret(every, *const, *old)
        kept = [_chosen(going, a, b) for a, b in zip(new, old, strict=True)]
        kept[0] = and_(kept[0], going)
        return [_some(kept[0]), *kept]

    carry = [
        x if flag else broadcast(x, shape=(size, *x.shape))
        for x, flag in zip(args[consts:], batched[consts:], strict=True)
    ]
    given = [*args[:consts], _some(carry[0]), *carry]
    graph = transform("stage", step, list(map(type_of, given)))
    return while_loop(*given, body=graph, consts=consts)[1:]


def _chosen(going: Any, a: Any, b: Any) -> Any:
    """a for the rows that go on, else b."""
    wide = reshape(going, shape=(*going.shape, *(1 for _ in a.shape[1:])))
    return select(broadcast(wide, shape=a.shape), a, b)


def _some(flags: Any) -> Any:
    """Whether any of several truths holds."""
    return gt(sum_(cast(flags, dtype=INT), axes=(0,)), np.int64(0))


def _while_samples(rng: np.random.Generator) -> list[Sample]:
    def body(w: Any, go: Any, count: Any, h: Any) -> list[Any]:
        count = count + np.int64(1)
        return [lt(count, np.int64(3)), count, tanh(mul(w, h))]

    types = [ArrayType((2,), np.dtype("f8")), TRUTH, ArrayType((), INT)]
    graph = transform("stage", body, [*types, types[0]])
    w, h = rng.normal(size=(2, 2))
    attrs = {"body": graph, "consts": 1}
    return [Sample((w, np.bool_(go), np.int64(0), h), attrs) for go in (True, False)]


def _no_truth() -> ErrorSample:
    one = ArrayType((), np.dtype("f8"))
    graph = Graph((), ())
    return ErrorSample(
        (np.float64(1),), {"body": graph, "consts": 0}, f"is a {TRUTH!r}, not {one!r}"
    )


while_loop: Primitive = Primitive(
    "while_loop",
    "Steps as long as the first carry is true: carry = body(consts, carry).",
    type_rule=_while_type,
    evaluate=_while,
    vjp=_while_vjp,
    jvp=_while_jvp,
    batch=_while_batch,
    lowering=Loop(),
    notation=r"\mathrm{{while}}",
    samples=_while_samples,
    errors=(_no_truth(),),
    joint=True,
)


# --- cond ---


def _cond_type(*types: ArrayType, on_true: Graph, on_false: Graph) -> Any:
    if not types or types[0] != TRUTH:
        raise TypeRuleError(f"cond decides by a {TRUTH!r}, not {types[0] if types else None!r}")
    for graph in (on_true, on_false):
        if graph.types != types[1:]:
            raise TypeRuleError(f"cond: a branch takes {graph.types}, it is given {types[1:]}")
    if on_true.result_types != on_false.result_types:
        raise TypeRuleError(
            f"cond: the first branch gives {on_true.result_types}, the second "
            f"{on_false.result_types}; both must be the same"
        )
    return on_true.result_types


def _cond_vjp(
    needs: Sequence[bool], cts: Sequence[Any], ys: Any, *args: Any, **branches: Graph
) -> list[Any]:
    """The derivative of the branch that was taken, whose values are computed again."""
    types = branches["on_true"].types
    wanted = tuple(need and t.is_float for need, t in zip(needs[1:], types, strict=True))
    given = [_filled(ct, y) for ct, y in zip(cts, ys, strict=True) if y.dtype.kind in "fc"]
    n = len(types)

    def back(graph: Graph) -> Graph:
        forward, backward = transform("split", graph, wanted)

        def run(*values: Any) -> list[Any]:
            residuals = interpret(forward, *values[:n])[len(graph.outputs) :]
            return list(interpret(backward, *values[:n], *residuals, *values[n:]))

        staged: Graph = transform("stage", run, [*types, *map(type_of, given)])
        return staged

    graphs = {name: back(graph) for name, graph in branches.items()}
    found = iter(cond(*args, *given, **graphs))
    return [None, *(next(found) if want else None for want in wanted)]


def _cond_jvp(tangents: Sequence[Any], ys: Any, *args: Any, **branches: Graph) -> list[Any]:
    moving = tuple(t is not None for t in tangents[1:])
    ts = [t for t in tangents[1:] if t is not None]
    graphs = {name: transform("forward", graph, moving) for name, graph in branches.items()}
    found = iter(cond(*args, *ts, **graphs)[len(ys) :])
    return [next(found) if y.dtype.kind in "fc" else None for y in ys]


def _cond_batch(size: int, batched: Sequence[bool], *args: Any, **branches: Graph) -> Any:
    """One branch where the rows agree by having one truth, else both and a choice for each row."""
    pred, rest = args[0], args[1:]
    flags = tuple(batched[1:])
    graphs = {name: transform("batch", graph, size, flags) for name, graph in branches.items()}
    if not batched[0]:
        return cond(pred, *rest, **graphs)
    pairs = zip(*(interpret(graphs[name], *rest) for name in ("on_true", "on_false")), strict=True)
    return tuple(_chosen(pred, a, b) for a, b in pairs)


def _cond_samples(rng: np.random.Generator) -> list[Sample]:
    f = ArrayType((3,), np.dtype("f8"))
    graphs = {
        "on_true": transform("stage", lambda x, y: [tanh(mul(x, y)), x], [f, f]),
        "on_false": transform("stage", lambda x, y: [mul(y, y), y], [f, f]),
    }
    x, y = rng.normal(size=(2, 3))
    return [Sample((np.bool_(which), x, y), graphs) for which in (True, False)]


cond: Primitive = Primitive(
    "cond",
    "The results of one of two programs, on_true(args) or on_false(args), as the first argument says.",
    type_rule=_cond_type,
    evaluate=lambda pred, *args, on_true, on_false: interpret(on_true if pred else on_false, *args),
    vjp=_cond_vjp,
    jvp=_cond_jvp,
    batch=_cond_batch,
    lowering=Loop(),
    notation=r"\mathrm{{cond}}",
    samples=_cond_samples,
    errors=(
        ErrorSample(
            (np.float64(1),),
            {"on_true": Graph((), ()), "on_false": Graph((), ())},
            "cond decides by",
        ),
    ),
    joint=True,
)

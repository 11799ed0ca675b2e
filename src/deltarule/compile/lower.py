"""The rule of each kind of lowering: which kernels and views a node becomes.

In: a scheduler and a node. Out: the node's place in the scheduler, and kernels. ``schedule`` plans a
whole graph by these rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from deltarule.compile import kernels
from deltarule.compile.form import INT8, ONCE, Form, as_body, formed
from deltarule.compile.kernels import (
    Apply,
    Load,
    MapKernel,
    Number,
    Scalar,
    Sum,
)
from deltarule.compile.plan import Plan
from deltarule.compile.products import Product, choose_vector
from deltarule.compile.schedule import Rule, Scheduler
from deltarule.compile.views import Ints, View
from deltarule.errors import CompileError
from deltarule.program import ArrayType, Graph, Node
from deltarule.program.lowering import (
    Alias,
    Contract,
    Index,
    Loop,
    Map,
    Opaque,
    Random,
    Reduce,
)


def schedule(graph: Graph, form: Form = ONCE) -> tuple[Plan, Sequence[Node]]:
    """The plan of a graph in a form, and the nodes that machine code names by number, from 1."""
    codes: list[Node] = []
    plan = Scheduler(graph, rule_of, codes, {}).run()
    return formed(graph, plan, form), codes


def rule_of(node: Node) -> Rule:
    """How a node is scheduled."""
    if is_foreign(node):
        return opaque
    return RULES[type(node.primitive.lowering)]


def is_foreign(node: Node) -> bool:
    """Whether NumPy must compute a node: half and complex numbers, integer powers."""
    lowering = node.primitive.lowering
    if isinstance(lowering, Alias | Loop | Index):
        return False
    types = [*(arg.type for arg in node.args), *types_of(node)]
    if any(t.dtype.kind == "c" or t.dtype == np.float16 for t in types):
        return True
    integer_power = node.primitive.name == "power" and node.type.dtype.kind in "iu"
    return integer_power or isinstance(lowering, Opaque)


def types_of(node: Node) -> tuple[ArrayType, ...]:
    """Types of all results."""
    return node.type if isinstance(node.type, tuple) else (node.type,)


# Reductions and products.


def reduce(s: Scheduler, node: Node) -> None:
    """A reduction, with the chain before it."""
    lowering = node.primitive.lowering
    assert isinstance(lowering, Reduce)
    (arg,) = node.args
    scalars, made = s.inlined(arg, node)
    axes = tuple(node.attrs["axes"])
    combine(
        s,
        node,
        arg.type.shape,
        scalars,
        lowering.op,
        axes,
        (*made, node),
    )


def combine(
    s: Scheduler,
    node: Node,
    shape: Ints,
    scalars: tuple[Scalar, ...],
    op: str,
    axes: Ints,
    nodes: tuple[Node, ...],
) -> None:
    """Scalars over ``shape`` combined along axes; the result has the others, in order."""
    if 0 in shape and node.type.size:
        s.where[node] = Number(0, node.type.dtype)
        return
    out = s.result(node)
    if out.size:
        steps = iter(out.strides)
        strides = tuple(0 if i in axes else next(steps) for i in range(len(shape)))
        spread = View(out.buffer, out.dtype, shape, strides)
        s.append(
            kernels.ReduceKernel(
                nodes,
                shape,
                scalars,
                op,
                axes,
                spread,
            )
        )


def contract(s: Scheduler, node: Node) -> None:
    """A sum of products: a view, a loop, a reduction or a matrix product, whichever it is."""
    lowering = node.primitive.lowering
    assert isinstance(lowering, Contract)
    types = [arg.type for arg in node.args]
    product = Product.of(lowering.spec(*types, **node.attrs), types)
    if node.type.size == 0:
        s.result(node)
        return
    if 0 in product.shape:
        s.where[node] = Number(0, node.type.dtype)
        return
    views = [product.spread(s.view(arg), i) for i, arg in enumerate(node.args)]
    if len(views) == 1 and not product.axes:
        s.where[node] = views[0]
    elif len(views) == 2 and product.is_matrix(views):
        matrix_product(s, node, product, views)
    else:
        scalars: tuple[Scalar, ...] = tuple(map(Load, views))
        if len(views) == 2:
            scalars = (*scalars, Apply("x0 * x1", (0, 1), node.type.dtype))
        combine(
            s,
            node,
            product.shape,
            scalars,
            "sum",
            product.axes,
            (node,),
        )


def matrix_product(
    s: Scheduler,
    node: Node,
    product: Product,
    views: list[View],
) -> None:
    """A product of two with rows of one and columns of the other."""
    choice = choose_vector(product, views)
    out = s.result(node)
    s.append(
        kernels.ContractKernel(
            (node,),
            product.shape,
            product.axes,
            choice.scalars,
            choice.vectors,
            choice.axis,
            (Sum(node.type.dtype),),
            ((0, out),),
        )
    )


# Values that move: views where they can be, copies else.


def index(s: Scheduler, node: Node) -> None:
    """A move, by its kind."""
    lowering = node.primitive.lowering
    assert isinstance(lowering, Index)
    MOVES[lowering.kind](s, node, **node.attrs)


def moved(move: str, s: Scheduler, node: Node, **attrs: Any) -> None:
    """A view of the argument, or a view of a copy of it."""
    (arg,) = node.args
    if isinstance(where := s.where[arg], Number):
        s.where[node] = where
        return
    settings = {key: tuple(value) for key, value in attrs.items()}
    view = getattr(s.view(arg), move)(**settings)
    if view is None:
        view = getattr(s.contiguous(arg), move)(**settings)
    s.where[node] = view


def part(which: int, s: Scheduler, node: Node) -> None:
    """The real or the imaginary parts of complex numbers: every other number in memory."""
    (arg,) = node.args
    where = s.where[arg]
    if isinstance(where, Number):
        value = where.value.imag if which else where.value.real
        s.where[node] = Number(value, node.type.dtype)
        return
    s.where[node] = s.view(arg).part_of_complex(which, node.type.dtype)


def join(s: Scheduler, node: Node) -> None:
    """Complex numbers from their parts."""
    out = s.result(node)
    for which, arg in enumerate(node.args):
        s.copy(arg, out.part_of_complex(which, arg.type.dtype), node)


def pad(
    s: Scheduler,
    node: Node,
    shape: Ints,
    start: Ints,
    step: Ints,
) -> None:
    """Zeros, then the values in their places."""
    (arg,) = node.args
    out = s.result(node)
    if out.size and out.size != arg.type.size:
        zero = Number(0, out.dtype)
        s.append(MapKernel((node,), out.shape, (zero,), ((0, out),)))
    s.copy(arg, out.slice(start, arg.type.shape, step), node)


def update(
    s: Scheduler,
    node: Node,
    start: Ints,
    step: Ints,
) -> None:
    """A copy, then the new values in their places."""
    old, new = node.args
    out = s.result(node)
    s.copy(old, out, node)
    s.copy(new, out.slice(start, new.type.shape, step), node)


def concatenate(s: Scheduler, node: Node, axis: int) -> None:
    """Each part in its place."""
    out = s.result(node)
    start = [0] * len(node.type.shape)
    ones = (1,) * len(start)
    for arg in node.args:
        s.copy(arg, out.slice(tuple(start), arg.type.shape, ones), node)
        start[axis] += arg.type.shape[axis]


def gather(s: Scheduler, node: Node) -> None:
    """Rows at indices."""
    x, where = node.args
    out = s.result(node)
    if where.type.size:
        rows, places = s.contiguous(x, from_axis=1), s.contiguous(where)
        s.append(kernels.GatherKernel((node,), s.code(node), rows, places, out))


def scatter(add: bool, s: Scheduler, node: Node) -> None:
    """A copy, then rows written (or added) at indices."""
    x, where, new = node.args
    out = s.result(node)
    values, places = s.contiguous(new), s.contiguous(where)
    s.copy(x, out, node)
    if where.type.size:
        s.append(
            kernels.ScatterKernel(
                (node,),
                s.code(node),
                places,
                values,
                out,
                add,
            )
        )


# The rest.


def random(s: Scheduler, node: Node) -> None:
    """Random bits."""
    key, step = node.args
    out = s.result(node)
    if out.size:
        count = math.prod(node.attrs["shape"])
        lead = node.type.shape[: len(node.type.shape) - len(node.attrs["shape"])]
        keys = s.view(key).broadcast((*lead, 2))
        steps = s.view(step).broadcast(lead)
        site = node.attrs["site"]
        s.append(
            kernels.RandomKernel(
                (node,),
                keys,
                steps,
                out,
                site,
                count,
            )
        )


def opaque(s: Scheduler, node: Node) -> None:
    """NumPy, called back."""
    args = tuple(s.contiguous(arg) for arg in node.args)
    outs = tuple(s.buffer(kind) for kind in types_of(node))
    s.where[node] = outs if isinstance(node.type, tuple) else outs[0]
    s.append(kernels.OpaqueKernel((node,), s.code(node), args, outs))


def alias(s: Scheduler, node: Node) -> None:
    """A literal, one of several results, or the same value."""
    match node.primitive.name:
        case "literal" if node.type.shape:
            out = s.result(node)
            s.constants[out.buffer] = np.asarray(node.primitive.evaluate(**node.attrs))
        case "literal":
            s.where[node] = Number(node.attrs["value"], node.type.dtype)
        case "result":
            s.where[node] = s.where[node.args[0]][node.attrs["index"]]
        case "stop_gradient":
            s.where[node] = s.where[node.args[0]]
        case name:
            raise CompileError(f"{name} ({node.origin}) has no value in a closed graph")


def loop(s: Scheduler, node: Node) -> None:
    """A scan: its body is planned by itself and run on views of the whole arrays."""
    if node.primitive.name == "while_loop":
        return tested_loop(s, node)
    n, c = node.attrs["consts"], node.attrs["carries"]
    types = types_of(node)
    outs = tuple(s.buffer(kind) for kind in types)
    s.where[node] = outs
    if node.attrs["length"] == 0:
        for init, out in zip(node.args[n : n + c], outs[:c], strict=True):
            s.copy(init, out, node)
        return
    body = plan_of_body(s, node.attrs["body"], n, c)
    whole = [s.contiguous(arg) for arg in node.args[: n + c]]
    free = [(n + i, i) in body.in_place for i in range(c)]
    s.append(
        kernels.LoopKernel(
            (node,),
            body,
            consts=tuple(whole[:n]),
            inits=tuple(whole[n:]),
            xs=tuple(s.contiguous(arg, from_axis=1) for arg in node.args[n + c :]),
            carry=outs[:c],
            spare=tuple(None if free[i] else s.buffer(types[i]) for i in range(c)),
            ys=outs[c:],
            workspace=s.buffer(ArrayType((body.arena,), INT8)),
            steps=node.attrs["length"],
            reverse=node.attrs["reverse"],
        )
    )
    return None


def tested_loop(s: Scheduler, node: Node) -> None:
    """A loop that goes on as long as its first carry is true."""
    n, types = node.attrs["consts"], types_of(node)
    outs = s.where[node] = tuple(s.buffer(kind) for kind in types)
    body = plan_of_body(s, node.attrs["body"], n, len(types), tested=True)
    whole = [s.contiguous(arg) for arg in node.args]
    free = [(n + i, i) in body.in_place for i in range(len(types))]
    s.append(
        kernels.LoopKernel(
            (node,),
            body,
            consts=tuple(whole[:n]),
            inits=tuple(whole[n:]),
            xs=(),
            carry=outs,
            spare=tuple(None if f else s.buffer(kind) for f, kind in zip(free, types, strict=True)),
            ys=(),
            workspace=s.buffer(ArrayType((body.arena,), INT8)),
            steps=1,
            reverse=False,
            tested=True,
        )
    )


def plan_of_body(
    s: Scheduler,
    body: Graph,
    consts: int,
    carries: int,
    tested: bool = False,
) -> Plan:
    """The plan of a loop's body, made once for each."""
    key = body, consts, tested
    if key not in s.bodies:
        plan = Scheduler(body, s.rules, s.codes, s.bodies).run()
        s.bodies[key] = as_body(plan, consts, carries, tested)
    return s.bodies[key]


RULES: dict[type, Rule] = {
    Map: Scheduler.map,
    Reduce: reduce,
    Contract: contract,
    Index: index,
    Random: random,
    Loop: loop,
    Alias: alias,
    Opaque: opaque,
}
MOVES: dict[str, Callable[..., None]] = {
    "reshape": partial(moved, "reshape"),
    "transpose": partial(moved, "transpose"),
    "broadcast": partial(moved, "broadcast"),
    "slice": partial(moved, "slice"),
    "real": partial(part, 0),
    "imag": partial(part, 1),
    "complex": join,
    "pad": pad,
    "update": update,
    "concatenate": concatenate,
    "gather": gather,
    "scatter": partial(scatter, False),
    "scatter_add": partial(scatter, True),
}

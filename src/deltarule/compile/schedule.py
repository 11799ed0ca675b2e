"""From a graph to kernels: which nodes are computed together, in which loop, reading which views.

In: a closed graph. Out: a ``Plan``. Elementwise nodes join the latest loop over their shape that comes after everything they
need; a chain whose only reader is a reduction or a copy is computed inside it. Values that move without change become views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.compile.memory import finish
from deltarule.compile.plan import (
    Apply,
    ContractKernel,
    GatherKernel,
    Ints,
    Kernel,
    Load,
    LoopKernel,
    MapKernel,
    Number,
    OpaqueKernel,
    Plan,
    RandomKernel,
    ReduceKernel,
    Scalar,
    ScatterKernel,
    View,
)
from deltarule.compile.products import Product, choose_vector
from deltarule.program import ArrayType, Graph, Node
from deltarule.program.lowering import Alias, Contract, Index, Loop, Map, Opaque, Random, Reduce

LARGEST_MAP = 100  # scalars in one loop
I8 = np.dtype("int8")


@dataclass
class Draft:
    """A Map kernel that still grows."""

    position: int
    shape: Ints
    scalars: list[Scalar] = field(default_factory=list)
    stores: list[tuple[int, View]] = field(default_factory=list)
    nodes: list[Node | None] = field(default_factory=list)
    known: dict[Any, int] = field(default_factory=dict)

    def add(self, scalar: Scalar, node: Node | None = None) -> int:
        """The place of a scalar among the values, added unless it is there."""
        key = repr(scalar) if isinstance(scalar, Number) else scalar
        if key not in self.known:
            self.known[key] = len(self.scalars)
            self.scalars.append(scalar)
            self.nodes.append(node)
        return self.known[key]

    def freeze(self) -> MapKernel | None:
        """The kernel with only the values that some store needs; None where there are none."""
        if not self.stores or 0 in self.shape:
            return None
        needed = set(place for place, _ in self.stores)
        for place in range(len(self.scalars) - 1, -1, -1):
            scalar = self.scalars[place]
            if place in needed and isinstance(scalar, Apply):
                needed.update(scalar.args)
        kept = sorted(needed)
        new = {old: i for i, old in enumerate(kept)}
        scalars = tuple(_renumber(self.scalars[i], new) for i in kept)
        nodes = tuple(node for i in kept if (node := self.nodes[i]))
        return MapKernel(self.shape, scalars, tuple((new[i], view) for i, view in self.stores), nodes)


def _renumber(scalar: Scalar, new: dict[int, int]) -> Scalar:
    if isinstance(scalar, Apply):
        return Apply(scalar.expression, tuple(new[i] for i in scalar.args), scalar.dtype)
    return scalar


@dataclass(frozen=True, slots=True)
class Pending:
    """A value of a draft that is not in memory unless someone asks for it."""

    draft: Draft
    place: int


Where = Any  # View, Number, Pending, or a tuple of these


class Scheduler:
    """One graph on its way to a plan."""

    def __init__(self, graph: Graph, bodies: dict[Graph, Plan], codes: list[Node]) -> None:
        self.graph = graph
        self.bodies = bodies
        self.codes = codes
        self.kernels: list[Draft | Kernel] = []
        self.buffers: list[tuple[np.dtype[Any], int]] = []
        self.written: list[int] = []  # position of the last kernel that writes each buffer
        self.constants: dict[int, np.ndarray[Any, Any]] = {}
        self.where: dict[Node, Where] = {}
        self.latest: dict[Ints, Draft] = {}
        self.uniform: dict[str, View] = {}
        self.readers: dict[Node, set[Node | None]] = {}
        for node in graph.nodes:
            for arg in node.args:
                self.readers.setdefault(arg, set()).add(node)
        for node in graph.outputs:
            self.readers.setdefault(node, set()).add(None)

    def run(self) -> Plan:
        """Schedule every node and lay out the memory."""
        for node in self.graph.inputs:
            self.where[node] = self.buffer(node.type)
        for node in self.graph.nodes[len(self.graph.inputs) :]:
            if foreign(node):
                self.opaque(node)
            else:
                RULES[type(node.primitive.lowering)](self, node)
        outputs = self.place_outputs()
        frozen = [kernel.freeze() if isinstance(kernel, Draft) else kernel for kernel in self.kernels]
        kernels = [kernel for kernel in frozen if kernel]
        return finish(self.graph, kernels, self.buffers, outputs, self.constants)

    def place_outputs(self) -> dict[int, int]:
        """Which buffer is which output; values that cannot be one as they stand are copied."""
        claimed: dict[int, int] = {}
        for i, node in enumerate(self.graph.outputs):
            where = self.where[node]
            view = self.view(node) if isinstance(where, Pending) else where
            fresh = isinstance(view, View) and view.buffer not in claimed and not self._given(view.buffer)
            if fresh and view.contiguous and view.offset == 0 and view.size == self.buffers[view.buffer][1]:
                claimed[view.buffer] = i
                continue
            out = self.buffer(node.type)
            claimed[out.buffer] = i
            self.copy(node, out)
        return claimed

    def _given(self, buffer: int) -> bool:
        """Whether a buffer holds an input or a constant."""
        return buffer < len(self.graph.inputs) or buffer in self.constants

    # Memory.

    def buffer(self, kind: ArrayType) -> View:
        """New memory for an array."""
        self.buffers.append((kind.dtype, kind.size))
        self.written.append(-1)
        return View.whole(len(self.buffers) - 1, kind)

    def append(self, kernel: Kernel) -> None:
        """A kernel after all others."""
        self.kernels.append(kernel)
        for view in kernel.writes:
            self.written[view.buffer] = len(self.kernels) - 1

    def view(self, node: Node) -> View:
        """Where a value lies in memory; it is stored now if it was not."""
        where = self.where[node]
        if isinstance(where, Pending):
            out = self.where[node] = self.buffer(node.type)
            where.draft.stores.append((where.place, out))
            self.written[out.buffer] = where.draft.position
            return out
        if isinstance(where, Number):
            return self.number_view(where).broadcast(node.type.shape)
        return where

    def number_view(self, number: Number) -> View:
        """One element of memory that holds a number."""
        key = repr(number)
        if key not in self.uniform:
            out = self.uniform[key] = self.buffer(ArrayType((), number.dtype))
            self.append(MapKernel((), (number,), ((0, out),), ()))
        return self.uniform[key]

    def contiguous(self, node: Node, from_axis: int = 0) -> View:
        """A view whose axes from ``from_axis`` on lie side by side."""
        where = self.where[node]
        if not isinstance(where, Number):
            view = self.view(node)
            tail = View(view.buffer, view.dtype, view.shape[from_axis:], view.strides[from_axis:])
            if tail.contiguous:
                return view
        out = self.buffer(node.type)
        self.copy(node, out)
        return out

    def copy(self, node: Node, out: View, reader: Node | None = None) -> None:
        """Write a value to a place; a chain that only ``reader`` reads is computed on the way."""
        scalars, nodes = self.inlined(node, reader)
        if out.size:
            self.append(MapKernel(out.shape, scalars, ((len(scalars) - 1, out),), nodes))

    # Elementwise.

    def ready(self, node: Node, shape: Ints) -> int:
        """The first position at which a loop over ``shape`` may use a value."""
        where = self.where[node]
        if isinstance(where, Number):
            return 0
        if isinstance(where, Pending):
            return where.draft.position + (node.type.shape != shape)
        return self.written[where.buffer] + 1

    def draft(self, shape: Ints, ready: int) -> Draft:
        """The latest loop over ``shape`` if it stands at ``ready`` or later and has room, or a new one."""
        draft = self.latest.get(shape)
        if draft is None or draft.position < ready or len(draft.scalars) >= LARGEST_MAP:
            draft = self.latest[shape] = Draft(len(self.kernels), shape)
            self.kernels.append(draft)
        return draft

    def scalar(self, node: Node, draft: Draft) -> int:
        """A node's value at each point of a draft's loop."""
        where = self.where[node]
        if isinstance(where, Number):
            return draft.add(where)
        if isinstance(where, Pending) and where.draft is draft:
            return where.place
        return draft.add(Load(self.view(node).broadcast(draft.shape)))

    def map(self, node: Node) -> None:
        """An elementwise node."""
        shape = node.type.shape
        draft = self.draft(shape, max((self.ready(arg, shape) for arg in node.args), default=0))
        places = tuple(self.scalar(arg, draft) for arg in node.args)
        apply = Apply(node.primitive.lowering.expression, places, node.type.dtype)
        self.where[node] = Pending(draft, draft.add(apply, node))

    def inlined(self, node: Node, reader: Node | None) -> tuple[tuple[Scalar, ...], tuple[Node, ...]]:
        """The scalars that compute a value, the last one being it, where nobody but ``reader`` reads them."""
        where = self.where[node]
        if isinstance(where, Number):
            return (where,), ()
        if not isinstance(where, Pending) or self.readers[node] != {reader}:
            return (Load(self.view(node)),), ()
        source, own = where.draft, {where.place}
        users: dict[int, set[int]] = {}
        for place, scalar in enumerate(source.scalars[: where.place + 1]):
            for arg in scalar.args if isinstance(scalar, Apply) else ():
                users.setdefault(arg, set()).add(place)
        scalars: dict[int, Scalar] = {}
        for place in range(where.place, -1, -1):
            if place not in own:
                continue
            scalar, maker = source.scalars[place], source.nodes[place]
            shared = maker is not None and place != where.place and not self._only_within(maker, source, own)
            if isinstance(scalar, Apply) and not shared:
                own.update(scalar.args)
            elif isinstance(scalar, Apply):
                assert maker is not None
                scalar = Load(self.view(maker))
            scalars[place] = scalar
        kept = sorted(scalars)
        new = {old: i for i, old in enumerate(kept)}
        made = tuple(source.nodes[i] for i in kept if isinstance(scalars[i], Apply))
        return tuple(_renumber(scalars[i], new) for i in kept), made

    def _only_within(self, node: Node, draft: Draft, places: set[int]) -> bool:
        """Whether all readers of a node are values of a draft at the given places."""
        for reader in self.readers[node]:
            where = self.where.get(reader) if reader else None
            if not isinstance(where, Pending) or where.draft is not draft or where.place not in places:
                return False
        return True

    # Reductions and products.

    def reduce(self, node: Node) -> None:
        """A reduction, with the chain before it."""
        (arg,) = node.args
        axes = tuple(node.attrs["axes"])
        scalars, nodes = self.inlined(arg, node)
        self.reduced(node, arg.type.shape, scalars, node.primitive.lowering.op, axes, nodes)

    def reduced(
        self, node: Node, shape: Ints, scalars: tuple[Scalar, ...], op: str, axes: Ints, nodes: tuple[Node, ...]
    ) -> None:
        """A reduction of scalars over ``shape``. The result's axes are the kept ones, in order."""
        if 0 in shape and node.type.size:
            self.where[node] = Number(0, node.type.dtype)
            return
        out = self.where[node] = self.buffer(node.type)
        if out.size:
            strides = iter(out.strides)
            spread = tuple(0 if i in axes else next(strides) for i in range(len(shape)))
            view = View(out.buffer, out.dtype, shape, spread)
            self.append(ReduceKernel(shape, scalars, op, axes, view, (*nodes, node)))

    def contract(self, node: Node) -> None:
        """A sum of products: as a view, a loop, a reduction or a matrix product, whichever it is."""
        types = [arg.type for arg in node.args]
        spec = node.primitive.lowering.spec(*types, **node.attrs)
        if node.type.size == 0:
            self.where[node] = self.buffer(node.type)
            return
        product = Product.of(spec, types)
        if 0 in product.shape:
            self.where[node] = Number(0, node.type.dtype)
            return
        views = [product.spread(self.view(arg), i) for i, arg in enumerate(node.args)]
        if len(views) == 2 and product.is_matrix(views):
            self.matrix_product(node, product, views)
            return
        if len(views) == 1 and not product.axes:
            self.where[node] = views[0]
            return
        scalars: tuple[Scalar, ...] = tuple(map(Load, views))
        if len(views) == 2:
            scalars = (*scalars, Apply("x0 * x1", (0, 1), node.type.dtype))
        self.reduced(node, product.shape, scalars, "sum", product.axes, ())

    def matrix_product(self, node: Node, product: Product, views: list[View]) -> None:
        """A product of two with rows of one and columns of the other."""
        first, second, axis, pack = choose_vector(product, views)
        if pack is not None:
            source = pack.arranged(second)
            packed = self.buffer(ArrayType(source.shape, source.dtype))
            self.append(MapKernel(source.shape, (Load(source),), ((0, packed),), (node,)))
            second = pack.spread(packed)
        out = self.where[node] = self.buffer(node.type)
        spread = product.spread_result(out)
        self.append(ContractKernel(product.shape, product.axes, first, second, spread, axis, (node,)))

    # Values that move.

    def index(self, node: Node) -> None:
        """Moves: views where they can be, copies else."""
        INDEX_RULES[node.primitive.lowering.kind](self, node, **node.attrs)

    def moved(self, node: Node, move: Callable[[View], View | None]) -> None:
        """A node that is a view of its argument, or a view of a copy of it."""
        (arg,) = node.args
        if isinstance(where := self.where[arg], Number):
            self.where[node] = where
            return
        view = move(self.view(arg))
        self.where[node] = view if view is not None else move(self.contiguous(arg))

    def pad(self, node: Node, shape: Ints, start: Ints, step: Ints) -> None:
        """Zeros, then the values in their places."""
        (arg,) = node.args
        out = self.where[node] = self.buffer(node.type)
        if out.size and out.size != arg.type.size:
            self.append(MapKernel(out.shape, (Number(0, out.dtype),), ((0, out),), (node,)))
        self.copy(arg, out.slice(start, arg.type.shape, step), node)

    def update(self, node: Node, start: Ints, step: Ints) -> None:
        """A copy, then the new values in their places."""
        old, new = node.args
        out = self.where[node] = self.buffer(node.type)
        self.copy(old, out, node)
        self.copy(new, out.slice(start, new.type.shape, step), node)

    def concatenate(self, node: Node, axis: int) -> None:
        """Each part in its place."""
        out = self.where[node] = self.buffer(node.type)
        start = [0] * len(node.type.shape)
        for arg in node.args:
            self.copy(arg, out.slice(tuple(start), arg.type.shape, (1,) * len(start)), node)
            start[axis] += arg.type.shape[axis]

    def gather(self, node: Node) -> None:
        """Rows at indices."""
        x, index = node.args
        out = self.where[node] = self.buffer(node.type)
        if index.type.size:
            rows, places = self.contiguous(x, from_axis=1), self.contiguous(index)
            self.append(GatherKernel(rows, places, out, self.code(node), (node,)))

    def scatter(self, node: Node) -> None:
        """A copy, then rows written (or added) at indices."""
        x, index, new = node.args
        out = self.where[node] = self.buffer(node.type)
        values, places = self.contiguous(new), self.contiguous(index)
        self.copy(x, out, node)
        if index.type.size:
            add = node.primitive.lowering.kind == "scatter_add"
            self.append(ScatterKernel(places, values, out, add, self.code(node), (node,)))

    def code(self, node: Node) -> int:
        """A number by which machine code names a node."""
        self.codes.append(node)
        return len(self.codes)

    # The rest.

    def random(self, node: Node) -> None:
        """Random bits."""
        key, step = node.args
        out = self.where[node] = self.buffer(node.type)
        if out.size:
            shape, site = node.attrs["shape"], node.attrs["site"]
            lead = node.type.shape[: len(node.type.shape) - len(shape)]
            keys = self.view(key).broadcast((*lead, 2))
            steps = self.view(step).broadcast(lead)
            count = out.size // max(1, ArrayType(lead, out.dtype).size)
            self.append(RandomKernel(keys, steps, site, count, out, (node,)))

    def opaque(self, node: Node) -> None:
        """NumPy, called back."""
        args = tuple(self.contiguous(arg) for arg in node.args)
        types = node.type if isinstance(node.type, tuple) else (node.type,)
        outs = tuple(self.buffer(kind) for kind in types)
        self.where[node] = outs if isinstance(node.type, tuple) else outs[0]
        self.append(OpaqueKernel(args, outs, self.code(node), (node,)))

    def alias(self, node: Node) -> None:
        """A literal, one of several results, or the same value."""
        if node.primitive.name == "literal" and node.type.shape:
            out = self.where[node] = self.buffer(node.type)
            self.constants[out.buffer] = np.asarray(node.primitive.evaluate(**node.attrs))
        elif node.primitive.name == "literal":
            self.where[node] = Number(node.attrs["value"], node.type.dtype)
        elif node.primitive.name == "result":
            self.where[node] = self.where[node.args[0]][node.attrs["index"]]
        else:
            self.where[node] = self.where[node.args[0]]

    def loop(self, node: Node) -> None:
        """A scan."""
        attrs = node.attrs
        n, c, length = attrs["consts"], attrs["carries"], attrs["length"]
        outs = tuple(self.buffer(kind) for kind in node.type)
        self.where[node] = outs
        if length == 0:
            for init, out in zip(node.args[n : n + c], outs, strict=False):
                self.copy(init, out, node)
            return
        body = plan_body(attrs["body"], self.bodies, self.codes)
        given = [self.contiguous(arg) for arg in node.args[: n + c]]
        xs = tuple(self.contiguous(arg, from_axis=1) for arg in node.args[n + c :])
        types = node.type[:c]
        spare = tuple(None if (n + i, i) in body.in_place else self.buffer(types[i]) for i in range(c))
        workspace = self.buffer(ArrayType((body.arena,), I8))
        consts, inits = tuple(given[:n]), tuple(given[n:])
        self.append(
            LoopKernel(
                body, consts, inits, xs, outs[:c], spare, outs[c:], workspace, length, attrs["reverse"], (node,)
            )
        )


RULES: dict[type, Callable[[Scheduler, Node], None]] = {
    Map: Scheduler.map,
    Reduce: Scheduler.reduce,
    Contract: Scheduler.contract,
    Index: Scheduler.index,
    Random: Scheduler.random,
    Loop: Scheduler.loop,
    Alias: Scheduler.alias,
    Opaque: Scheduler.opaque,
}
INDEX_RULES: dict[str, Callable[..., None]] = {
    "reshape": lambda s, node, shape: s.moved(node, lambda view: view.reshape(tuple(shape))),
    "transpose": lambda s, node, order: s.moved(node, lambda view: view.transpose(tuple(order))),
    "broadcast": lambda s, node, shape: s.moved(node, lambda view: view.broadcast(tuple(shape))),
    "slice": lambda s, node, start, size, step: s.moved(node, lambda view: view.slice(start, size, step)),
    "pad": Scheduler.pad,
    "update": Scheduler.update,
    "concatenate": Scheduler.concatenate,
    "gather": Scheduler.gather,
    "scatter": Scheduler.scatter,
    "scatter_add": Scheduler.scatter,
}


def foreign(node: Node) -> bool:
    """Whether NumPy must compute a node: half and complex numbers, integer powers."""
    if isinstance(node.primitive.lowering, Opaque):
        return True
    if isinstance(node.primitive.lowering, Alias | Loop | Index):
        return False
    types = [*(arg.type for arg in node.args), *(node.type if isinstance(node.type, tuple) else (node.type,))]
    if any(t.dtype.kind == "c" or t.dtype == np.float16 for t in types):
        return True
    return node.primitive.name == "power" and node.type.dtype.kind in "iu"


def plan_body(body: Graph, bodies: dict[Graph, Plan], codes: list[Node]) -> Plan:
    """The plan of a loop's body, made once for each graph."""
    if body not in bodies:
        bodies[body] = Scheduler(body, bodies, codes).run()
    return bodies[body]


def schedule(graph: Graph) -> tuple[Plan, Sequence[Node]]:
    """The plan of a graph, and the nodes that machine code names by number, from 1."""
    codes: list[Node] = []
    return Scheduler(graph, {}, codes).run(), codes


"""Machine code with what its caller must know. Data only: it serves every graph of the same text.

In: a plan, or an entry of the cache. Out: ``Binary``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deltarule.compile.kernels import OpaqueKernel
from deltarule.compile.plan import Plan
from deltarule.compile.share import seconds
from deltarule.compile.views import Ints
from deltarule.program import Graph, Node, lookup
from deltarule.program.graph import subgraphs

if TYPE_CHECKING:
    from deltarule.compile.llvm.load import Processor
    from deltarule.compile.llvm.module import Module


@dataclass(frozen=True, slots=True)
class Site:
    """A node that machine code names by number when it fails.

    Attributes
    ----------
    operation : str
        Its primitive.
    equation : int
        Which equation of the graph's text it came from, counted from the top; -1 where none is known.
    """

    operation: str
    equation: int


@dataclass(frozen=True, slots=True)
class Callback:
    """What NumPy computes when machine code calls it.

    Attributes
    ----------
    graph : Graph
        One node.
    strides : tuple of tuple of int
        In bytes, of its arguments, then of its results.
    """

    graph: Graph
    strides: tuple[Ints, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """A compiled program.

    Attributes
    ----------
    code : bytes
        An object file.
    imports : tuple of str
        Functions of the C library and of SciPy that it calls.
    arena, scratch : int
        Bytes of workspace, and of memory of its own for each thread.
    shared : bool
        Whether threads can share the work.
    seconds : float
        Roughly how long one thread takes; of an open-ended loop for one step.
    in_place : set of tuple
        Pairs (input, output) where the output may be written over the input.
    sites : tuple of Site
        The nodes that the code names by number, from 1.
    opaque : dict
        Those of them that NumPy computes, always or where LAPACK reports a failure.
    """

    code: bytes
    imports: tuple[str, ...]
    arena: int
    scratch: int
    shared: bool
    seconds: float
    in_place: frozenset[tuple[int, int]]
    sites: tuple[Site, ...]
    opaque: dict[int, Callback]

    def about(self) -> dict[str, Any]:
        """All but the code, as plain data."""
        return {
            "imports": self.imports,
            "arena": self.arena,
            "scratch": self.scratch,
            "shared": self.shared,
            "seconds": self.seconds,
            "in_place": sorted(self.in_place),
            "sites": [(site.operation, site.equation) for site in self.sites],
            "opaque": [
                (code, call.graph.to_text(), call.strides) for code, call in self.opaque.items()
            ],
        }

    @staticmethod
    def of(about: dict[str, Any], code: bytes) -> Binary:
        """What ``about`` told of."""
        return Binary(
            code,
            tuple(about["imports"]),
            about["arena"],
            about["scratch"],
            about["shared"],
            about["seconds"],
            frozenset((i, j) for i, j in about["in_place"]),
            tuple(Site(*site) for site in about["sites"]),
            {
                number: Callback(Graph.from_text(text), tuple(map(tuple, strides)))
                for number, text, strides in about["opaque"]
            },
        )


def compiled(
    graph: Graph,
    plan: Plan,
    codes: Sequence[Node],
    processor: Processor,
) -> Binary:
    """The machine code of a plan.

    Parameters
    ----------
    graph : Graph
        In whose equations errors are told.
    plan : Plan
        What it runs.
    codes : sequence of Node
        The nodes that the plan names by number, from 1.
    processor : Processor
        What it is made for.
    """
    from deltarule.compile.llvm.module import write

    return assembled(graph, plan, codes, write(plan, processor), processor)


def assembled(
    graph: Graph,
    plan: Plan,
    codes: Sequence[Node],
    module: Module,
    processor: Processor,
) -> Binary:
    """The same, of a module that is written already."""
    from deltarule.compile.llvm.load import emit

    sources: dict[int, int] = {}
    for i, node in enumerate(equations(graph)):
        if node.origin is not None:
            sources.setdefault(id(node.origin), i)
    return Binary(
        emit(module.text, processor),
        module.imports,
        plan.arena,
        module.scratch,
        plan.shared,
        sum(map(seconds, plan.kernels)),
        plan.in_place,
        tuple(Site(node.primitive.name, sources.get(id(node.origin), -1)) for node in codes),
        {kernel.code: callback(kernel) for kernel in plan.callbacks},
    )


def equations(graph: Graph) -> Iterator[Node]:
    """All nodes in the order of the text, those of subgraphs at each place where they stand."""
    for node in graph.nodes:
        yield node
        for sub in subgraphs(node):
            yield from equations(sub)


def callback(kernel: OpaqueKernel) -> Callback:
    """What a kernel calls."""
    views = (*kernel.args, *kernel.outs)
    steps = (tuple(n * view.dtype.itemsize for n in view.strides) for view in views)
    return Callback(alone(kernel.nodes[0]), tuple(steps))


def alone(node: Node) -> Graph:
    """A graph that computes one node."""
    inputs = tuple(
        Node(lookup("input"), (), {"type": repr(arg.type)}, arg.type) for arg in node.args
    )
    copy = Node(node.primitive, inputs, node.attrs, node.type)
    kinds: Any = node.type
    if not isinstance(kinds, tuple):
        return Graph(inputs, (copy,))
    results = enumerate(kinds)
    return Graph(
        inputs, tuple(Node(lookup("result"), (copy,), {"index": i}, kind) for i, kind in results)
    )

"""Rewrites: named passes from a graph to a graph that computes the same with less.

In: a closed graph. Out: a closed graph, type-checked after each pass. Every pass is right alone and in
any order, descends into subgraphs, keeps a node where nothing changes and its origin where something
does. Nodes are walked, never recursed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile.algebra import put_in, simplified
from deltarule.compile.parts import split
from deltarule.derive.trace import baked, stage
from deltarule.program import Graph, Node
from deltarule.program.graph import subgraphs
from deltarule.program.lowering import Expand
from deltarule.program.ops import einsum
from deltarule.program.primitive import TABLE
from deltarule.program.types import BOOL, ArrayType

Replacement = Any  # a Node, or a tuple of nodes for the results of one with several
Rule = Callable[[Node], Replacement]
Done = dict[Graph, Graph]
Labelled = tuple[str, Node]


@dataclass(frozen=True, slots=True)
class Pass:
    """One rewrite.

    Attributes
    ----------
    name : str
        Its word.
    doc : str
        What it does, in one sentence.
    run : callable
        Graph -> Graph.
    needed : bool
        Whether planning rests on it.
    """

    name: str
    doc: str
    run: Callable[[Graph], Graph]
    needed: bool = False

    def __call__(self, graph: Graph) -> Graph:
        """The rewritten graph, checked."""
        new = self.run(graph)
        return new if new is graph else new.check()


def each_of(names: Iterable[str], rule: Rule) -> Callable[[Graph], Graph]:
    """``each_node`` with a rule that leaves all but the named primitives as they are."""
    concerned = frozenset(names)
    return lambda graph: each_node(graph, rule, {}) if has(graph, concerned) else graph


def has(graph: Graph, names: frozenset[str]) -> bool:
    """Whether one of some primitives is in a graph or in a subgraph."""
    if not names.isdisjoint([node.primitive.name for node in graph.nodes]):
        return True
    values = [value for node in graph.nodes for value in node.attrs.values()]
    return any(has(value, names) for value in values if isinstance(value, Graph))


def each_node(graph: Graph, rule: Rule, done: Done) -> Graph:
    """The graph with each node replaced by what a rule makes of it, arguments and subgraphs first."""
    if graph in done:
        return done[graph]
    new: dict[Node, Replacement] = {node: node for node in graph.inputs}
    changed = False
    for node in graph.nodes[len(graph.inputs) :]:
        several = new[node.args[0]] if node.primitive.name == "result" else None
        if isinstance(several, tuple):
            new[node] = several[node.attrs["index"]]
            continue
        args = tuple([new[arg] for arg in node.args])
        graphs = {x: each_node(x, rule, done) for x in node.attrs.values() if isinstance(x, Graph)}
        new[node] = found = rule(rebuilt(node, args, graphs))
        changed |= found is not node
    done[graph] = graph
    if changed:
        done[graph] = Graph(graph.inputs, tuple(new[node] for node in graph.outputs))
    return done[graph]


def rebuilt(node: Node, args: tuple[Node, ...], graphs: Done) -> Node:
    """The node on other arguments and with other subgraphs; itself where they are the same."""
    if args == node.args and all(old is new for old, new in graphs.items()):
        return node
    attrs = node.attrs
    if graphs:
        attrs = {key: graphs[x] if isinstance(x, Graph) else x for key, x in attrs.items()}
    return Node(node.primitive, args, attrs, node.type, node.origin)


def make(name: str, *args: Node, origin: Any, **attrs: Any) -> Node:
    """A new node."""
    primitive = TABLE[name]
    kind = primitive.type_rule(*(arg.type for arg in args), **attrs)
    return Node(primitive, args, attrs, kind, origin)


# Functions with their own derivative.


def inlined(node: Node) -> Replacement:
    """The nodes of a function instead of the function; an argument instead of stop_gradient."""
    if node.primitive.name == "stop_gradient":
        return node.args[0]
    if node.primitive.name != "custom_vjp":
        return node
    return put_in(node.attrs["call"], node.args, node, written=True)


def written_in_others() -> list[str]:
    """The operations that are steps in others."""
    return [name for name, primitive in TABLE.items() if isinstance(primitive.lowering, Expand)]


def expanded(node: Node) -> Replacement:
    """The steps of an operation that is written in others."""
    lowering = node.primitive.lowering
    if not isinstance(lowering, Expand):
        return node
    rule, attrs = lowering.rule, node.attrs
    steps = stage(lambda *args: [rule(*args, **attrs)], [arg.type for arg in node.args])
    return put_in(baked(steps), node.args, node)[0]


# Choices between programs.


def looped(node: Node) -> Replacement:
    """Two loops instead of a choice, of which one makes one step and the other none.

    Each gives its results in place of what was there; before the first that is zeros.
    """
    if node.primitive.name != "cond":
        return node
    pred, *args = node.args
    origin = node.origin
    kinds: Any = node.type
    found = [filled(kind, origin) for kind in kinds]
    false = make("literal", origin=origin, value=False, dtype=BOOL)
    for go, graph in (
        (pred, node.attrs["on_true"]),
        (make("not", pred, origin=origin), node.attrs["on_false"]),
    ):
        before = [make("input", origin=origin, type=repr(kind)) for kind in (pred.type, *kinds)]
        body = Graph((*graph.inputs, *before), (false, *graph.outputs))
        loop = make("while_loop", *args, go, *found, origin=origin, body=body, consts=len(args))
        found = [make("result", loop, origin=origin, index=i + 1) for i in range(len(kinds))]
    return tuple(found)


def filled(kind: ArrayType, origin: Any) -> Node:
    """Zeros of a type."""
    zero = make("literal", origin=origin, value=kind.dtype.type(0).item(), dtype=kind.dtype)
    return make("broadcast", zero, origin=origin, shape=kind.shape) if kind.shape else zero


# Products of three and more.


def pairwise(node: Node) -> Replacement:
    """Products of two instead, in the order that NumPy finds cheapest."""
    if node.primitive is not einsum or len(node.args) < 3:
        return node
    spec = node.attrs["spec"]
    given, result = spec.split("->")
    shown = [np.broadcast_to(np.zeros(()), arg.type.shape) for arg in node.args]
    order = np.einsum_path(spec, *shown, optimize="greedy")[0][1:]
    waiting = list(zip(given.split(","), node.args, strict=True))
    for step in order:
        chosen = [waiting.pop(i) for i in sorted(step, reverse=True)]
        while len(chosen) > 1:
            two, chosen = chosen[:2], chosen[2:]
            others = [*chosen, *waiting]
            later = set(result).union(*(letters for letters, _ in others))
            kept = kept_labels(two, later) if others else result
            chosen.append((kept, product_of(two, kept, node)))
        waiting += chosen
    return waiting[0][1]


def kept_labels(operands: Sequence[Labelled], later: set[str]) -> str:
    """Labels of operands that are wanted later, in order."""
    labels = dict.fromkeys("".join(letters for letters, _ in operands))
    return "".join(label for label in labels if label in later)


def product_of(operands: Sequence[Labelled], kept: str, like: Node) -> Node:
    """Some operands of ``like``, multiplied and summed over the labels that are not kept."""
    spec = ",".join(letters for letters, _ in operands) + "->" + kept
    args = [arg for _, arg in operands]
    return make("einsum", *args, spec=spec, origin=like.origin)


# Common subexpressions.


def common(graph: Graph, done: Done) -> Graph:
    """Equal nodes as one: the same operation and attrs on the same arguments."""
    if graph not in done:
        for node in graph.nodes:
            for sub in subgraphs(node):
                common(sub, done)
        known: dict[Any, Node] = {}

        def rule(node: Node) -> Node:
            return known.setdefault(key_of(node), node)

        done[graph] = each_node(graph, rule, dict(done))
    return done[graph]


def key_of(node: Node) -> Any:
    """What makes nodes equal. Numbers are told apart as they print: 0.0, -0.0, 0 and False differ."""
    attrs = [
        (name, value if isinstance(value, (Graph, np.dtype)) else repr(value))
        for name, value in sorted(node.attrs.items())
    ]
    return (node.primitive, node.args, *attrs)


# Dead code.


def dead(graph: Graph, done: Done) -> Graph:
    """Without nodes that no output needs, and without results of loops that nobody reads."""
    if graph in done:
        return done[graph]
    for node in graph.nodes:
        for sub in subgraphs(node):
            dead(sub, done)
    live = Graph(graph.inputs, graph.outputs)
    wanted: dict[Node, set[int]] = {}
    for node in live.nodes:
        if node.primitive.name == "result":
            wanted.setdefault(node.args[0], set()).add(node.attrs["index"])
    loops = iter([node for node in live.nodes if node.primitive.name == "scan"])

    def rule(node: Node) -> Replacement:
        return trimmed(node, wanted[next(loops)]) if node.primitive.name == "scan" else node

    new = each_node(live, rule, dict(done))
    unchanged = new is live and len(live.nodes) == len(graph.nodes)
    done[graph] = graph if unchanged else new
    return done[graph]


def trimmed(node: Node, wanted: set[int]) -> Replacement:
    """A scan that carries and stacks only what is wanted.

    Its results come as a tuple by their old numbers, None where nobody reads one.
    """
    body, n, c = (node.attrs[key] for key in ("body", "consts", "carries"))
    results, used = needed_results(body, n, c, wanted)
    inputs = [i for i, x in enumerate(body.inputs) if x in used]
    inputs = sorted({*inputs, *(n + i for i in results if i < c)})
    if len(results) == len(body.outputs) and len(inputs) == len(body.inputs):
        return node
    small = Graph(
        tuple(body.inputs[i] for i in inputs),
        tuple(body.outputs[i] for i in results),
    )
    attrs = {**node.attrs, "body": small}
    attrs["consts"] = sum(i < n for i in inputs)
    attrs["carries"] = sum(i < c for i in results)
    args = [node.args[i] for i in inputs]
    loop = make("scan", *args, origin=node.origin, **attrs)
    found: list[Node | None] = [None] * len(body.outputs)
    for place, i in enumerate(results):
        found[i] = make("result", loop, index=place, origin=node.origin)
    return tuple(found)


def needed_results(
    body: Graph,
    consts: int,
    carries: int,
    wanted: set[int],
) -> tuple[list[int], set[Node]]:
    """Results of a body that are wanted, or carried to what is; and all nodes these need."""
    results = set(wanted)
    while True:
        used = reached(body.outputs[i] for i in results)
        more = {i for i in range(carries) if body.inputs[consts + i] in used}
        if more <= results:
            return sorted(results), used
        results |= more


def reached(outputs: Iterable[Node]) -> set[Node]:
    """All nodes that some outputs need."""
    seen: set[Node] = set()
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(node.args)
    return seen


PASSES = (
    Pass(
        "inline",
        "Functions with their own derivative become their nodes.",
        each_of(("stop_gradient", "custom_vjp"), inlined),
        needed=True,
    ),
    Pass(
        "expand",
        "Operations that are steps in others become these.",
        lambda graph: each_of(written_in_others(), expanded)(graph),
        needed=True,
    ),
    Pass(
        "branches",
        "Choices between programs become loops of one step or none.",
        each_of(("cond",), looped),
        needed=True,
    ),
    Pass(
        "pairwise",
        "Products of three and more become products of two.",
        each_of(("einsum",), pairwise),
        needed=True,
    ),
    Pass(
        "parts",
        "Complex numbers become pairs of real ones.",
        lambda graph: split(graph, {}),
        needed=True,
    ),
    Pass(
        "simplify",
        "Algebra that is exact, and numbers computed once.",
        lambda graph: each_node(graph, simplified, {}),
    ),
    Pass("common", "Equal nodes become one.", lambda graph: common(graph, {})),
    Pass("dead", "What nobody reads is left out.", lambda graph: dead(graph, {})),
)


def rewrite(graph: Graph, passes: Sequence[Pass] = PASSES) -> Graph:
    """The given passes, in the order of the list. Those that planning needs always run."""
    for step in PASSES:
        if step.needed or step in passes:
            graph = step(graph)
    return graph

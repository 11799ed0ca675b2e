"""Rewrites: named passes from a graph to a graph that computes the same with less.

In: a closed graph. Out: a closed graph. Each pass is right alone and in any order; the graph is type-checked after each. A pass
keeps the node itself where nothing changes, and the origin where something does. Passes descend into subgraphs; loops walk nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.compile.algebra import simplified
from deltarule.program import Graph, Node
from deltarule.program.ops import einsum
from deltarule.program.primitive import TABLE

Replacement = Any  # a Node, or a tuple of nodes for the results of one with several
Rule = Callable[[Node], Replacement]


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


def each_node(graph: Graph, rule: Rule, done: dict[Graph, Graph] | None = None) -> Graph:
    """A graph with every node, arguments first, replaced by what a rule makes of it; subgraphs come before the node."""
    done = {} if done is None else done
    if graph in done:
        return done[graph]
    new: dict[Node, Replacement] = {node: node for node in graph.inputs}
    for node in graph.nodes[len(graph.inputs) :]:
        if node.primitive.name == "result" and isinstance(new[node.args[0]], tuple):
            new[node] = new[node.args[0]][node.attrs["index"]]
            continue
        args = tuple(new[arg] for arg in node.args)
        attrs = {key: each_node(v, rule, done) if isinstance(v, Graph) else v for key, v in node.attrs.items()}
        new[node] = rule(rebuilt(node, args, attrs))
    outputs = tuple(new[node] for node in graph.outputs)
    same = all(new[node] is node for node in graph.nodes)
    done[graph] = graph if same else Graph(graph.inputs, outputs)
    return done[graph]


def rebuilt(node: Node, args: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
    """The node on other arguments or attrs; itself where they are the same."""
    if all(a is b for a, b in zip(args, node.args, strict=True)) and all(attrs[k] is v for k, v in node.attrs.items()):
        return node
    return Node(node.primitive, args, attrs, node.type, node.origin)


def make(name: str, *args: Node, origin: Any = None, **attrs: Any) -> Node:
    """A new node."""
    primitive = TABLE[name]
    return Node(primitive, args, attrs, primitive.type_rule(*(arg.type for arg in args), **attrs), origin)


def spliced(graph: Graph, args: Sequence[Node], origin: Any) -> tuple[Node, ...]:
    """The outputs of a graph as nodes over ``args``."""
    new: dict[Node, Node] = dict(zip(graph.inputs, args, strict=True))
    for node in graph.nodes[len(graph.inputs) :]:
        moved = tuple(new[arg] for arg in node.args)
        new[node] = Node(node.primitive, moved, node.attrs, node.type, node.origin or origin)
    return tuple(new[node] for node in graph.outputs)


def _inline(node: Node) -> Replacement:
    if node.primitive.name == "custom_vjp":
        return spliced(node.attrs["call"], node.args, node.origin)
    return node.args[0] if node.primitive.name == "stop_gradient" else node


def _pairwise(node: Node) -> Replacement:
    """Products of three and more as products of two, in the order that NumPy finds cheapest."""
    if node.primitive is not einsum or len(node.args) < 3:
        return node
    given, result = node.attrs["spec"].split("->")
    shown = [np.broadcast_to(np.zeros(()), arg.type.shape) for arg in node.args]
    order = np.einsum_path(node.attrs["spec"], *shown, optimize="greedy")[0][1:]
    operands = list(zip(given.split(","), node.args, strict=True))
    for step in order:
        chosen = [operands.pop(i) for i in sorted(step, reverse=True)]
        left = set(result).union(*(letters for letters, _ in operands))
        have = dict.fromkeys("".join(letters for letters, _ in chosen))
        kept = result if not operands else "".join(letter for letter in have if letter in left)
        spec = ",".join(letters for letters, _ in chosen) + "->" + kept
        operands.append((kept, make("einsum", *(arg for _, arg in chosen), spec=spec, origin=node.origin)))
    return operands[0][1]


def common(graph: Graph, done: dict[Graph, Graph] | None = None) -> Graph:
    """Equal nodes as one: the same operation and attrs on the same arguments."""
    known: dict[Any, Node] = {}

    def rule(node: Node) -> Node:
        return known.setdefault(key_of(node), node)

    done = {} if done is None else done
    if graph not in done:
        inner = {sub: common(sub, done) for node in graph.nodes for sub in node.attrs.values() if isinstance(sub, Graph)}
        done[graph] = each_node(graph, rule, dict(inner))
    return done[graph]


def key_of(node: Node) -> Any:
    """What makes two nodes equal. Numbers are told apart by how they print: 0.0, -0.0, 0 and False differ."""
    attrs = ((name, v if isinstance(v, Graph) else repr(v)) for name, v in node.attrs.items())
    return (node.primitive.name, *map(id, node.args), *sorted(attrs, key=lambda pair: pair[0]))


def dead(graph: Graph, done: dict[Graph, Graph] | None = None) -> Graph:
    """Without nodes that no output needs, and without results of loops that nobody reads."""
    done = {} if done is None else done
    if graph in done:
        return done[graph]
    graph_now = Graph(graph.inputs, graph.outputs)
    wanted: dict[Node, set[int]] = {}
    for node in graph_now.nodes:
        if node.primitive.name == "result":
            wanted.setdefault(node.args[0], set()).add(node.attrs["index"])
    for node in graph_now.outputs:
        wanted.setdefault(node, set())

    new: dict[Node, Replacement] = {node: node for node in graph_now.inputs}
    for node in graph_now.nodes[len(graph_now.inputs) :]:
        if node.primitive.name == "result" and isinstance(new[node.args[0]], tuple):
            new[node] = new[node.args[0]][node.attrs["index"]]
            continue
        args = tuple(new[arg] for arg in node.args)
        attrs = {key: dead(v, done) if isinstance(v, Graph) else v for key, v in node.attrs.items()}
        now = rebuilt(node, args, attrs)
        new[node] = _trimmed(now, wanted.get(node, set())) if node.primitive.name == "scan" else now
    same = all(new[node] is node for node in graph_now.nodes) and len(graph_now.nodes) == len(graph.nodes)
    done[graph] = graph if same else Graph(graph.inputs, tuple(new[node] for node in graph.outputs))
    return done[graph]


def _trimmed(node: Node, wanted: set[int]) -> Replacement:
    """A scan that carries and stacks only what is wanted; its results by their old numbers (None: nobody reads it)."""
    body, n, c = (node.attrs[key] for key in ("body", "consts", "carries"))
    results = set(wanted)
    while True:
        used = _reached([body.outputs[i] for i in results])
        more = {i for i in range(c) if body.inputs[n + i] in used} - results
        if not more:
            break
        results |= more
    inputs = [i for i, x in enumerate(body.inputs) if (i - n in results if n <= i < n + c else x in used)]
    if len(results) == len(body.outputs) and len(inputs) == len(body.inputs):
        return node
    kept = sorted(results)
    small = Graph(tuple(body.inputs[i] for i in inputs), tuple(body.outputs[i] for i in kept))
    counts = {"consts": sum(i < n for i in inputs), "carries": sum(i < c for i in kept)}
    loop = make("scan", *(node.args[i] for i in inputs), origin=node.origin, **{**node.attrs, **counts, "body": small})
    found: list[Node | None] = [None] * len(body.outputs)
    for place, i in enumerate(kept):
        found[i] = make("result", loop, index=place, origin=node.origin)
    return tuple(found)


def _reached(outputs: Iterable[Node]) -> set[Node]:
    """All nodes that some outputs need."""
    seen: set[Node] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(node.args)
    return seen


PASSES = (
    Pass("inline", "Functions with their own derivative become their nodes.", lambda g: each_node(g, _inline), True),
    Pass("pairwise", "Products of three and more become products of two.", lambda g: each_node(g, _pairwise), True),
    Pass("simplify", "Algebra that is exact, numbers computed once.", lambda g: each_node(g, simplified)),
    Pass("common", "Equal nodes become one.", common),
    Pass("dead", "Nodes and results that nobody reads are left out.", dead),
)


def rewrite(graph: Graph, passes: Sequence[Pass] = PASSES) -> Graph:
    """All passes in order. Those that planning needs always run."""
    for step in PASSES:
        if step.needed or step in passes:
            graph = step(graph)
    return graph


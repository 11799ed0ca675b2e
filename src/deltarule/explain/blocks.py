"""A network's graph cut into the layers that a person sees.

In: the nodes of a forward pass. Out: blocks, each with the sum that goes into its activation
(``net``) and what comes out. A block begins at a product with weights, or where another layer of
the network begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deltarule.program import Node
from deltarule.program.lowering import Contract, Index, Map


@dataclass(slots=True, eq=False)
class Block:
    """One layer as it is explained.

    Attributes
    ----------
    scope : str
        Path of the layer in the network.
    nodes : list of Node
        What it computes, in order.
    net : Node or None
        The weighted sum, bias included; None where the block has no weights.
    parts : list of (str, Node)
        What is computed on the way and has a name of its own: the mean of a batch.
    out : Node
        What later blocks read.
    """

    scope: str
    nodes: list[Node] = field(default_factory=list)
    net: Node | None = None
    parts: list[tuple[str, Node]] = field(default_factory=list)

    @property
    def marks(self) -> list[Node]:
        """Everything in it that has a name."""
        return [*([self.net] if self.net else []), *(node for _, node in self.parts), self.out]

    @property
    def out(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    @property
    def plain(self) -> bool:
        """Whether nothing is done to the weighted sum."""
        return self.net is self.out


def blocks(
    forward: Sequence[Node],
    data: Node,
    output: Node,
    weights: Iterable[Node],
    labels: Mapping[Node, str],
) -> list[Block]:
    """The blocks between the inputs and the output."""
    live, given = _reached(forward, [data]), _reached(forward, weights)
    needed = _needed(output) & live
    readers: dict[Node, list[Node]] = {}
    for node in forward:
        for arg in node.args:
            readers.setdefault(arg, []).append(node)
    found: list[Block] = []
    home: dict[Node, Block] = {}
    for node in forward:
        if node not in needed or node is data:
            continue
        before = [home[arg] for arg in node.args if arg in home]
        if not before and _moves(node):
            continue  # a part of the inputs
        block = _latest(found, before, _scope(node))
        if block is None or _begins(node, block, live, given):
            block = Block(_scope(node))
            if _product(node, live, given):
                block.net = node
            found.append(block)
        elif block.net is block.nodes[-1] and _biased(node, block.net, live, readers):
            block.net = node
        block.nodes.append(node)
        if node in labels:
            block.parts.append((labels[node], node))
        home[node] = block
    return _merged(found)


def _latest(found: list[Block], before: list[Block], scope: str) -> Block | None:
    """The last block that a node reads from, or a later one of its own layer."""
    for block in reversed(found):
        if block in before or (scope and block.scope == scope):
            return block
    return None


def _merged(found: list[Block]) -> list[Block]:
    """An activation that is a layer of its own belongs to the weighted sum before it; what comes out
    of a block is no part of it."""
    out: list[Block] = []
    for block in found:
        alone = not block.parts and block.net is None and all(map(_elementwise, block.nodes))
        follows = out and any(arg is out[-1].out for node in block.nodes for arg in node.args)
        if alone and follows and out[-1].plain:
            out[-1].nodes += block.nodes
        else:
            out.append(block)
    for block in out:
        block.parts = [(word, node) for word, node in block.parts if node is not block.out]
    return out


def _elementwise(node: Node) -> bool:
    """Whether each element depends on one of the arguments, as in an activation."""
    return isinstance(node.primitive.lowering, Map)


def _begins(node: Node, block: Block, live: set[Node], given: set[Node]) -> bool:
    return _product(node, live, given) or (_scope(node) != block.scope and bool(_scope(node)))


def _product(node: Node, live: set[Node], given: set[Node]) -> bool:
    """Whether data meets weights in a contraction."""
    return isinstance(node.primitive.lowering, Contract) and any(
        arg in given and arg not in live for arg in node.args
    )


def _moves(node: Node) -> bool:
    """Whether a node only moves values."""
    return isinstance(node.primitive.lowering, Index) or node.primitive.notation == "{0}"


def _biased(node: Node, net: Node, live: set[Node], readers: dict[Node, list[Node]]) -> bool:
    """Whether a node only adds to, or only moves, the weighted sum; rows of sums stay rows."""
    moves = _moves(node) and not len(node.type.shape) > len(net.type.shape) == 2
    adds = node.primitive.name in ("add", "sub")
    others = [arg for arg in node.args if arg is not net]
    return (moves or adds) and readers[net] == [node] and not any(arg in live for arg in others)


def _scope(node: Node) -> str:
    return "" if node.origin is None else node.origin.scope


def _reached(forward: Sequence[Node], starts: Iterable[Node]) -> set[Node]:
    """Everything that depends on the starts."""
    found = set(starts)
    for node in forward:
        if any(arg in found for arg in node.args):
            found.add(node)
    return found


def _needed(output: Node) -> set[Node]:
    """Everything that the output depends on."""
    found, stack = {output}, [output]
    while stack:
        for arg in stack.pop().args:
            if arg not in found:
                found.add(arg)
                stack.append(arg)
    return found

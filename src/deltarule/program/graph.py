"""A program as a graph of typed nodes: what is computed, with where each node came from.

In: nodes made by a trace. Out: ``Graph``, which prints as numbered equations, reads its own text again and
checks its types. A node is never changed; a pass makes a new graph.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import DeltaruleError, GraphError
from deltarule.program.primitive import Primitive, lookup
from deltarule.program.types import NAMES, ArrayType


class Origin(NamedTuple):
    """Where a node came from: the user's code and instruction, and the path of the layer, if any."""

    code: CodeType | None
    instruction: int
    scope: str

    @property
    def line(self) -> int:
        """Line in the user's file."""
        if self.code is None:
            return 0
        at = list(self.code.co_positions())[self.instruction // 2][0]
        return at or self.code.co_firstlineno

    def __str__(self) -> str:
        if self.code is None:
            return self.scope
        file = self.code.co_filename.rsplit("/", 1)[-1]
        return f"{file}:{self.line}" + (f" in {self.scope}" if self.scope else "")


@dataclass(eq=False, slots=True, repr=False)
class Node:
    """One operation, never changed once it is made (``frozen`` would make making it four times as dear).

    ``type`` is a tuple of types where the operation has several results (read by ``result`` nodes).
    """

    primitive: Primitive
    args: tuple[Node, ...]
    attrs: dict[str, Any]
    type: ArrayType
    origin: Origin | None = None

    def __repr__(self) -> str:
        return f"<{self.primitive.name}: {self.type}>"


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Graph:
    """A closed program: every node reaches back to ``inputs`` or a literal.

    ``nodes`` stand in an order in which each comes after its arguments; inputs come first.
    """

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    nodes: tuple[Node, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.nodes:
            object.__setattr__(self, "nodes", tuple(sort(self.inputs, self.outputs)))

    @property
    def types(self) -> tuple[ArrayType, ...]:
        """Types of the inputs."""
        return tuple(node.type for node in self.inputs)

    @property
    def result_types(self) -> tuple[ArrayType, ...]:
        """Types of the outputs."""
        return tuple(node.type for node in self.outputs)

    def check(self) -> Graph:
        """Run every type rule again and return the graph itself.

        Raises
        ------
        GraphError
            Where a node's type is not what its rule gives, or an argument does not come before its use.
        """
        seen: set[Node] = set()
        for node in self.nodes:
            if not seen.issuperset(node.args):
                raise GraphError(f"{node!r} uses a value that no earlier node gives")
            if node.primitive.name == "input" and node not in self.inputs:
                raise GraphError(f"{node!r} is an input of another graph")
            expected = node.primitive.type_rule(*[arg.type for arg in node.args], **node.attrs)
            if expected != node.type:
                raise GraphError(f"{node!r} should have type {expected}")
            for value in node.attrs.values():
                if isinstance(value, Graph):
                    value.check()
            seen.add(node)
        if missing := [node for node in (*self.inputs, *self.outputs) if node not in seen]:
            raise GraphError(f"{missing} are inputs or outputs but not among the nodes")
        return self

    def to_text(self, origins: bool = False) -> str:
        """Numbered equations. Without origins the text is exact, and ``from_text`` reads it again."""
        return "\n".join(_write(self, "", origins)) + "\n"

    @staticmethod
    def from_text(text: str) -> Graph:
        """Read what ``to_text()`` wrote."""
        lines = deque(line.strip() for line in text.splitlines() if line.strip())
        graph = _read(lines)
        if lines:
            raise GraphError(f"text after the end of the graph: {lines[0]!r}")
        return graph

    def __str__(self) -> str:
        return self.to_text(origins=True)

    def __repr__(self) -> str:
        return (
            f"<graph of {len(self.nodes)} nodes: {_types(self.types)} -> "
            f"{_types(self.result_types)}>"
        )


def sort(inputs: tuple[Node, ...], outputs: tuple[Node, ...]) -> Iterator[Node]:
    """Nodes that the outputs need, arguments first, without recursion."""
    done = set(inputs)
    yield from inputs
    stack = list(reversed(outputs))
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        waiting = [arg for arg in node.args if arg not in done]
        if waiting:
            stack.extend(reversed(waiting))
        else:
            done.add(stack.pop())
            yield node


def subgraphs(node: Node) -> Iterator[Graph]:
    """The graphs among a node's attrs."""
    return (value for value in node.attrs.values() if isinstance(value, Graph))


def _types(types: tuple[Any, ...]) -> str:
    return "(" + ", ".join(map(str, types)) + ")"


def _write(graph: Graph, indent: str, origins: bool) -> Iterator[str]:
    names = {node: f"%{i}" for i, node in enumerate(graph.nodes)}
    inputs = ", ".join(f"{names[node]}: {node.type}" for node in graph.inputs)
    yield f"graph({inputs}) {{"
    for node in graph.nodes[len(graph.inputs) :]:
        args = "".join(f" {names[arg]}" for arg in node.args)
        plain = {key: value for key, value in node.attrs.items() if not isinstance(value, Graph)}
        attrs = " " + _JSON(plain) if plain else ""
        kind = _types(node.type) if isinstance(node.type, tuple) else str(node.type)
        where = f"  # {node.origin}" if origins and node.origin and str(node.origin) else ""
        yield f"{indent}  {names[node]}: {kind} = {node.primitive.name}{args}{attrs}{where}"
        for key, sub in node.attrs.items():
            if isinstance(sub, Graph):
                first, *rest = _write(sub, indent + "    ", origins)
                yield f"{indent}    .{key} = {first}"
                yield from rest
    yield f"{indent}}} -> {' '.join(names[node] for node in graph.outputs)}"


def _encode(value: Any) -> Any:
    if isinstance(value, np.dtype):
        return {"dtype": NAMES[value]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    raise GraphError(f"attrs are plain data, not {value!r}")


_JSON = json.JSONEncoder(default=_encode, separators=(",", ":")).encode


def _decode(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"dtype"}:
        return ArrayType.parse(f"{value['dtype']}[]").dtype
    if isinstance(value, dict) and set(value) == {"complex"}:
        return complex(*value["complex"])
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    return value


_EQUATION = re.compile(r"%(\d+): (\(.*?\)|\S+) = (\w+)((?: %\d+)*)(?: (\{.*\}))?")
_SUBGRAPH = re.compile(r"\.(\w+) = (graph\(.*)")
_END = re.compile(r"\} ->((?: %\d+)*) ?")


def _read(lines: deque[str]) -> Graph:
    """Read one graph and take its lines away."""
    head = lines.popleft() if lines else ""
    match = re.fullmatch(r"graph\((.*)\) \{", head)
    if not match:
        raise GraphError(f"{head!r} does not begin a graph; that looks like: graph(%0: f64[3]) {{")
    types = [ArrayType.parse(text) for text in re.findall(r"%\d+: (\S+?\])", match[1])]
    nodes = [Node(lookup("input"), (), {"type": repr(t)}, t) for t in types]
    inputs = tuple(nodes)
    while lines and not lines[0].startswith("}"):
        nodes.append(_read_node(lines, nodes))
    end = _END.fullmatch(lines.popleft()) if lines else None
    if not end:
        raise GraphError("the text ends before the graph does; the last line looks like: } -> %2")
    return Graph(inputs, _named(end[1], nodes, "the last line"), tuple(nodes))


def _read_node(lines: deque[str], nodes: list[Node]) -> Node:
    place = f"equation %{len(nodes)}"
    line = lines.popleft()
    equation = _EQUATION.fullmatch(line)
    if not equation or int(equation[1]) != len(nodes):
        raise GraphError(f"{line!r} is not {place}")
    try:
        attrs = {k: _decode(v) for k, v in json.loads(equation[5] or "{}").items()}
    except json.JSONDecodeError as error:
        raise GraphError(f"{place}: {error}") from None
    while lines and (sub := _SUBGRAPH.fullmatch(lines[0])):
        lines[0] = sub[2]
        attrs[sub[1]] = _read(lines)
    args = _named(equation[4], nodes, place)
    primitive = lookup(equation[3])
    try:
        kind = primitive.type_rule(*(arg.type for arg in args), **attrs)
    except DeltaruleError:
        raise
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise GraphError(
            f"{place}: {primitive.name} does not take these arguments: {error}"
        ) from None
    written = _types(kind) if isinstance(kind, tuple) else str(kind)
    if written != equation[2]:
        raise GraphError(f"{place} is written with type {equation[2]}, its rule gives {written}")
    return Node(primitive, args, attrs, kind)


def _named(text: str, nodes: list[Node], place: str) -> tuple[Node, ...]:
    names = [int(name) for name in re.findall(r"%(\d+)", text)]
    if late := [name for name in names if name >= len(nodes)]:
        raise GraphError(f"{place} uses %{late[0]} before it is computed")
    return tuple(nodes[name] for name in names)

"""Names as textbooks give them: inputs i1, i2; neurons h1, o1; weights w1, w2 neuron by neuron; biases b_h1.

In: the blocks of a network and its weights. Out: a name for every input, neuron and weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.explain.blocks import Block
from deltarule.explain.rows import rowed
from deltarule.explain.step import Step
from deltarule.explain.term import Symbol
from deltarule.nn.nested import Path

Array = Any  # of names


@dataclass(slots=True)
class Names:
    """What things are called.

    Attributes
    ----------
    inputs : list of str
        Of the columns of the inputs.
    units : list of list of str
        Of the neurons of each block.
    blocks : list of str
        Of the blocks themselves, for what belongs to no single neuron.
    weights : dict
        Path -> array of names, in the weight's shape.
    places : dict
        Name -> role, layer, neuron, neuron before it.
    edges : list
        Layer, neuron, neuron before it (0: a bias), name of each connection.
    target : str
        How names of targets begin.
    """

    inputs: list[str]
    units: list[list[str]] = field(default_factory=list)
    weights: dict[Path, Array] = field(default_factory=dict)
    blocks: list[str] = field(default_factory=list)
    places: dict[str, tuple[str, int, int, int]] = field(default_factory=dict)
    edges: list[tuple[int, int, int, str]] = field(default_factory=list)
    target: str = "t"

    def part(self, block: int, shape: tuple[int, ...], pattern: str) -> Array:
        """Names of what a block computes: for each neuron or several pieces of it, or for a row."""
        units = self.units[block]
        pieces = shape[-1] // len(units)
        if pieces > 1:
            units = [f"{unit}_{k}" for unit in units for k in range(1, pieces + 1)]
        return rowed(units if pieces else [self.blocks[block]], shape, pattern)

    def role(self, name: str) -> str:
        """Whether a name is that of a weight or of a bias."""
        return self.places[name][0] if name in self.places else "weight"

    def spot(self, name: str) -> dict[str, int]:
        """Layer and neuron that a weight leads to, and the neuron that it comes from."""
        _, layer, unit, source = self.places.get(name, ("weight", 1, 0, 0))
        return {"layer": layer, "unit": unit, "source": source}

    def inorder(self, names: Array) -> list[tuple[int, ...]]:
        """Places of an array of names, neuron by neuron."""

        def at(place: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
            where = self.spot(names[place])
            return where["layer"], where["unit"], place[::-1]

        return sorted(np.ndindex(names.shape), key=at)

    def lead(self, name: str, role: str, layer: int, unit: int, source: int) -> None:
        """A weight leads to a neuron; a shared one to several, and belongs to the first."""
        self.places.setdefault(name, (role, layer, unit, source))
        self.edges.append((layer, unit, source, name))


def symbols_of(names: Any) -> Array:
    """An array of names as symbols."""
    return each(Symbol, np.asarray(names, object))


def each(f: Callable[[Any], Any], x: Array) -> Array:
    """A function of each element, as objects."""
    out = np.empty(x.shape, object)
    for place in np.ndindex(x.shape):
        out[place] = f(x[place])
    return out


def textbook(worked: Step) -> Names:
    """Names for a network that has none of its own."""
    found = worked.forward
    names = Names([f"i{k}" for k in range(1, found.inputs.type.shape[-1] + 1)])
    layers = [block for block in found.blocks if block.net is not None]
    for block in found.blocks:
        n = found.at[block.out].type.shape[-1]
        if block is found.blocks[-1]:
            letter = "o"
        elif block.net is None:
            letter = _free(short(block.scope) or "u", names.units)
        else:
            letter = "h" if len(layers) == 2 else f"h{layers.index(block) + 1}_"
        names.units.append([f"{letter}{j}" for j in range(1, n + 1)])
        names.blocks.append(letter.rstrip("_"))
    _name_weights(names, worked)
    for path, node in found.held.items():
        if node.type.is_float:
            names.weights[path] = _plain(_by_path(path), node.type.shape)
    return names


def _name_weights(names: Names, worked: Step) -> None:
    """w1, w2 ... neuron by neuron; others by their own name, and that of the neuron where there is one
    for each."""
    count, found = 0, worked.forward
    read = weight_readers(worked)
    for path, node in found.weights.items():
        shape, at = node.type.shape, read.get(path, 0)
        block, units = found.blocks[at], names.units[at]
        sums = found.at[block.out if block.net is None else block.net].type.shape[-1]
        pieces = max(1, sums // len(units))
        if len(shape) == 2 and (block.net is not None or path not in read):
            numbers = np.arange(count, count + node.type.size).reshape(shape[::-1]).T + 1
            names.weights[path] = each(lambda n: f"w{n}", numbers)
            count += node.type.size
            for k, j in np.ndindex(shape):
                names.lead(names.weights[path][k, j], "weight", at + 1, j // pieces + 1, k + 1)
        elif path in read and shape in ((len(units),), (sums,)):
            names.weights[path] = names.part(at, shape, _first(path) + "_{}")
            for j, name in enumerate(names.weights[path]):
                names.lead(name, "bias", at + 1, j * len(units) // shape[0] + 1, 0)
        else:
            names.weights[path] = _plain(_by_path(path), shape)


def _by_path(path: Path) -> str:
    """A weight's own name, and that of its layer."""
    return "_".join((path[-1], short(".".join(path[:-1])))).strip("_")


SHORT = {
    "activation": "act",
    "batchnorm": "bn",
    "columns": "col",
    "concatenate": "cat",
    "embedding": "emb",
    "gaussiannoise": "noise",
    "layernorm": "ln",
    "multiply": "mul",
    "residual": "res",
}


def short(scope: str) -> str:
    """The path of a layer as a part of names: bn1 for batchnorm1."""
    for long, word in SHORT.items():
        scope = scope.replace(long, word)
    return scope.replace(".", "_")


def _free(word: str, units: list[list[str]]) -> str:
    """A beginning for the names of neurons that no other layer has: dropout1_, or dropout1b_."""
    taken = {unit for layer in units for unit in layer}
    for end in ("", *"bcdefghijklmnopqrstuvwxyz"):
        if f"{word}{end}_1" not in taken:
            return f"{word}{end}_"
    return f"{word}{len(units)}_"


def _plain(whole: str, shape: tuple[int, ...]) -> Array:
    """Names by place, counted from 1."""
    out = np.empty(shape, object)
    for place in np.ndindex(shape):
        out[place] = whole + "".join(f"_{i + 1}" for i in place)
    return out


def _first(path: Path) -> str:
    """b for a bias, else the weight's own name."""
    return "b" if path[-1] == "bias" else path[-1]


def weight_readers(worked: Step) -> dict[Path, int]:
    """The block in which each weight is first used."""
    found: dict[Path, int] = {}
    forward = worked.forward
    for i, block in enumerate(forward.blocks):
        for node in block.nodes:
            reached, stack = set(), [forward.at[node]]
            while stack:
                top = stack.pop()
                reached.add(top)
                stack += [a for a in top.args if a not in _outs(forward.blocks[:i], forward)]
            for path, leaf in forward.weights.items():
                if leaf in reached:
                    found.setdefault(path, i)
    return found


def _outs(before: list[Block], forward: Any) -> set[Any]:
    return {forward.at[block.out] for block in before}

"""Weights and state as nested dicts, by path: ``("dense1", "weight")``.

In: nested dicts. Out: their leaves with paths, entries at a path, and dicts with some entries
replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from deltarule.errors import ShapeError

Tree = dict[str, Any]
Path = tuple[str, ...]


def flat(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Leaves of a nested dict with their paths."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*path, name))
        else:
            yield (*path, name), value


def at(tree: Tree, path: Path) -> Any:
    """The entry of a nested dict at a path; an empty dict where there is none."""
    for name in path:
        tree = tree.get(name, {})
    return tree


def put(tree: Tree, path: Path, value: Any) -> None:
    """Set the entry of a nested dict at a path."""
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def nested(leaves: Iterable[tuple[Path, Any]]) -> Tree:
    """The nested dict of leaves with their paths."""
    out: Tree = {}
    for path, value in leaves:
        put(out, path, value)
    return out


def merged(old: Tree, new: Tree) -> Tree:
    """``old`` with the entries of ``new`` in their places."""
    return nested([*flat(old), *flat(new)])


def matched(word: str, expected: dict[Path, Any], tree: Any) -> dict[Path, Any]:
    """The leaves of ``tree`` by path.

    ShapeError where names or shapes are not those of the arrays ``expected``.
    """
    if not isinstance(tree, dict):
        raise ShapeError(
            f"{word} are a nested dict, like net.params; given is {type(tree).__name__}"
        )
    given = dict(flat(tree))
    if given.keys() != expected.keys():
        missing, unknown = (
            ", ".join(sorted(map(".".join, names))) or "none"
            for names in (expected.keys() - given.keys(), given.keys() - expected.keys())
        )
        raise ShapeError(f"{word} do not fit this network: missing {missing}; unknown {unknown}")
    for path, held in expected.items():
        value = given[path]
        shape = value.shape if hasattr(value, "shape") else np.shape(value)
        if shape != held.shape:
            raise ShapeError(
                f"{word} {'.'.join(path)} have shape {held.shape}; shape {shape} was given"
            )
    return given


class Slot:
    """The place of one array in a network."""

    __slots__ = ("kind", "module", "name")

    def __init__(self, module: Any, kind: str, name: str) -> None:
        self.module, self.kind, self.name = module, kind, name

    def read(self) -> Any:
        """The array."""
        return vars(self.module)[self.kind][self.name]

    def write(self, value: Any) -> None:
        """Put an array of the same type there."""
        vars(self.module)[self.kind][self.name] = value

"""Nested parameters (dicts, lists, tuples, named tuples, dataclasses), taken apart and put together again.

In: a tree. Out: its leaves with their paths, and a spec (optree) that rebuilds it from other leaves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import optree

NAMESPACE = "deltarule"
_plain: set[type] = set()  # of leaves that are no dataclasses


def _spec_of(tree: Any) -> Any:
    return optree.tree_flatten(tree, namespace=NAMESPACE)[1]


_LEAF = _spec_of(0)


@lru_cache(maxsize=256)
def _list_of(n: int) -> Any:
    """The spec of a list of so many leaves."""
    return _spec_of([0] * n)


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Leaves in order, and the spec of the tree. Dataclasses are registered as they are met."""
    if type(tree) in _plain:
        return [tree], _LEAF
    if type(tree) is list and _plain.issuperset(map(type, tree)):
        return tree.copy(), _list_of(len(tree))
    while True:
        leaves, spec = optree.tree_flatten(tree, namespace=NAMESPACE)
        if _plain.issuperset(map(type, leaves)):
            return leaves, spec
        for cls in {type(leaf) for leaf in leaves} - _plain:
            if dataclasses.is_dataclass(cls):
                _register(cls)
            else:
                _plain.add(cls)


def unflatten(spec: Any, leaves: Sequence[Any]) -> Any:
    """The tree of that spec with these leaves."""
    return spec.unflatten(leaves)


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply ``f`` to corresponding leaves."""
    leaves, spec = flatten(tree)
    others = [spec.flatten_up_to(other) for other in rest]
    return unflatten(spec, [f(*group) for group in zip(leaves, *others, strict=True)])


def paths(spec: Any) -> list[str]:
    """Where each leaf stands, as one would write it: ``['dense1']['weight']``."""
    return [
        "".join(entry.codify("") for entry in accessor)
        for accessor in optree.treespec_accessors(spec)
    ]


def _register(cls: type) -> None:
    names = tuple(field.name for field in dataclasses.fields(cls))

    def take(x: Any) -> tuple[Any, ...]:
        return tuple(getattr(x, name) for name in names), None, names

    def build(_: Any, children: Any) -> Any:
        out: Any = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(out, name, child)
        return out

    optree.register_pytree_node(cls, take, build, namespace=NAMESPACE)

"""Weights of another network, taken over by name.

In: a network, and another one, a model file, or arrays by name. Out: the network with the weights that
fit, and ``Transfer``, which says what was taken, what was missing and what did not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.nn import Module
from deltarule.nn.named import nearest
from deltarule.nn.nested import flat, nested
from deltarule.train.checkpoint import Loaded, read
from deltarule.train.resume import trees_of

Arrays = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Transfer:
    """What became of each array; printed, a line for each kind.

    Attributes
    ----------
    taken : tuple of str
        Weights and state of the network that were set.
    missing : tuple of str
        Those that the source does not have; they are as they were.
    misfits : dict
        Those of another shape there, with both shapes, the network's first; they are as they were.
    unused : tuple of str
        Arrays of the source that have no place in the network.
    """

    taken: tuple[str, ...]
    missing: tuple[str, ...]
    misfits: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        misfits = (f"{name} {a}, given {b}{_turned(a, b)}" for name, (a, b) in self.misfits.items())
        lines = {
            "taken": self.taken,
            "not in the source": self.missing,
            "of another shape": tuple(misfits),
            "without a place": self.unused,
        }
        return "\n".join(f"{word}: {', '.join(names)}" for word, names in lines.items() if names)


def transfer(
    net: Module, source: Any, *names: str, rename: Mapping[str, str] | None = None
) -> Transfer:
    """Take over weights and state from another network, by name.

    Parameters
    ----------
    net : Module
        With weights (``net.init``), some of which are replaced.
    source : Module, str, Path or nested dict
        Another network, a model file, or arrays as in ``net.params``; keys may be ``"dense1.weight"``,
        too.
    *names : str
        Layers and weights of ``net`` to take, as in ``net.tune``; each must be there and fit. Without
        names all are taken that are there and fit.
    rename : mapping, optional
        Name in the source -> name in ``net``, of layers or weights: ``{"encoder.dense1": "dense1"}``;
        ``{"encoder": ""}`` takes the layers inside encoder as the network's own.

    Returns
    -------
    Transfer
        What was taken, what was missing, what did not fit.

    Raises
    ------
    DataError
        Where nothing can be taken, or a weight that was named is missing or misspelt.
    ShapeError
        Where a weight that was named has another shape in the source, or ``net`` has no weights yet.
    ModelFileError
        Where the file cannot be read.

    Examples
    --------
    Train on much data, keep the first layer as it is, train a new head on little:

    >>> import numpy as np, deltarule as dr
    >>> base = dr.Sequential(dr.Dense(8, "tanh"), dr.Dense(5)).init((1, 3), seed=0)
    >>> net = dr.Sequential(dr.Dense(8, "tanh"), dr.Dense(2)).init((1, 3), seed=1)
    >>> print(dr.transfer(net, base))
    taken: dense1.weight, dense1.bias
    of another shape: dense2.weight (8, 2), given (8, 5), dense2.bias (2,), given (5,)
    >>> net = net.freeze("dense1")
    >>> X, y = np.eye(3), np.array([0, 1, 1])
    >>> run = dr.fit(net, X, y, loss="cross_entropy", epochs=50, seed=0)
    >>> net = net.unfreeze()  # and, if it helps, all of it at a low rate
    >>> run = dr.fit(net, X, y, loss="cross_entropy", optimizer=dr.Adam(1e-4), seed=0)
    """
    if not isinstance(net, Module) or isinstance(net, Loaded):
        raise DataError(f"transfer sets weights of a network of dr.Module, not of {net!r}")
    own = {"params": _dotted(net._ready().params), "state": _dotted(net.state)}
    given = _arrays(source)
    _check_names(rename or {}, [name for tree in given.values() for name in tree])
    given = {kind: _renamed(tree, rename or {}) for kind, tree in given.items()}
    wanted = _wanted(net, names) if names else [name for kind in own.values() for name in kind]
    held, found = {**own["params"], **own["state"]}, {**given["params"], **given["state"]}
    present = [name for name in wanted if name in found]
    shapes = {name: (np.shape(held[name]), np.shape(found[name])) for name in present}
    misfits = {name: pair for name, pair in shapes.items() if pair[0] != pair[1]}
    done = Transfer(
        tuple(name for name in present if name not in misfits),
        tuple(name for name in wanted if name not in found),
        misfits,
        tuple(name for name in found if name not in held),
    )
    _check(done, bool(names), found)
    net.params = _replaced(own["params"], found, done.taken)
    net.state = _replaced(own["state"], found, done.taken)
    return done


def _arrays(source: Any) -> dict[str, Arrays]:
    """Weights and state of a source, by dotted name."""
    if isinstance(source, Module):
        return {"params": _dotted(source._ready().params), "state": _dotted(source.state)}
    if isinstance(source, Mapping):
        return {"params": _dotted(dict(source)), "state": {}}
    if not isinstance(source, (str, Path)):
        raise DataError(
            "transfer takes weights from a network, a model file or a nested dict of arrays, not "
            f"from {source!r}"
        )
    return {kind: _dotted(tree) for kind, tree in trees_of(read(Path(source))[1]).items()}


def _dotted(tree: Any) -> Arrays:
    return {".".join(path): x for path, x in flat(tree)}


def _check_names(rename: Mapping[str, str], arrays: list[str]) -> None:
    """Raise where a name to be replaced is none of the source's."""
    for old in rename:
        if not any(f"{path}.".startswith(f"{old}.") for path in arrays):
            raise DataError(
                f"transfer: rename has {old!r}, and the source no such name; it has "
                f"{', '.join(arrays)}{nearest(old, arrays)}"
            )


def _renamed(arrays: Arrays, names: Mapping[str, str]) -> Arrays:
    """Arrays under other names; where one was renamed to the name of another, that one gives way."""
    new = {path: _new_name(path, names) for path in arrays}
    taken = [name for path, name in new.items() if name != path]
    for name in taken:
        if taken.count(name) > 1:
            raise DataError(f"transfer: rename makes two arrays {name!r} of the source")
    kept = {path for path, name in new.items() if name != path or path not in taken}
    return {new[path] if path in kept else f"{path} (there)": x for path, x in arrays.items()}


def _new_name(path: str, names: Mapping[str, str]) -> str:
    """A name after ``rename``; of several that apply the longest counts."""
    fits = [old for old in names if f"{path}.".startswith(f"{old}.")]
    old = max(fits, key=len, default=None)
    return path if old is None else f"{names[old]}{path[len(old) :]}".removeprefix(".")


def _wanted(net: Module, names: Iterable[str]) -> list[str]:
    """Weights and state of layers and weights, by dotted name."""
    paths = {id(module): path for path, module in net.walk()}
    found: dict[str, None] = {}
    for module, own in (target for name in names for target in net._named(name)):
        inside = (
            [(module, [own])] if own else [(m, [*m._arrays, *m._states]) for _, m in module.walk()]
        )
        for m, arrays in inside:
            found |= dict.fromkeys(".".join((*paths[id(m)], name)) for name in arrays)
    return list(found)


def _check(done: Transfer, named: bool, found: Arrays) -> None:
    """Raise where a name that was asked for cannot be taken, or none at all."""
    if named and done.missing:
        name = done.missing[0]
        raise DataError(
            f"the source has no {name}; it has {', '.join(found)}{nearest(name, found)} "
            "(rename={'name there': 'name here'} brings names together)"
        )
    if named and done.misfits:
        name, (a, b) = next(iter(done.misfits.items()))
        raise ShapeError(f"{name} has shape {a}, in the source {b}{_turned(a, b)}")
    if not done.taken:
        raise DataError(f"nothing can be taken from the source\n{done}")


def _turned(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    turned = len(a) > 1 and a == b[::-1]
    return " (here weights are (inputs, units): give the transpose)" if turned else ""


def _replaced(own: Arrays, found: Arrays, taken: Iterable[str]) -> Any:
    """All arrays of a kind, those that are taken from the source in the type of those that were."""
    new = {name: np.asarray(found[name], own[name].dtype) for name in taken if name in own}
    return nested((tuple(name.split(".")), x) for name, x in {**own, **new}.items())

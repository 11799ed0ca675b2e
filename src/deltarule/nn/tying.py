"""Weights that layers share: one array in two places, whose gradients add up.

In: the names of two weights of a network. Out: the network with one of them in both places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltarule.derive.tracer import Tracer
from deltarule.errors import DataError, ShapeError
from deltarule.nn.call import current
from deltarule.nn.nested import flat


@dataclass(frozen=True, slots=True)
class Tie:
    """Where a layer finds a weight that another one holds.

    Attributes
    ----------
    holder : Module
        The layer that holds it.
    name : str
        What it is called there.
    transpose : bool
        Whether it is taken with its axes turned round.
    """

    holder: Any
    name: str
    transpose: bool

    def read(self, layer: Any) -> Any:
        """The weight as it is now, in a call that of the call."""
        call = current()
        apart = call is not None and id(layer) in call.places and id(self.holder) not in call.places
        if apart and _trained(call):
            raise ShapeError(
                f"the weights of {layer!r} are tied to those of {self.holder!r}, which is no layer of "
                "this network"
            )
        w = getattr(self.holder, self.name)
        return w.T if self.transpose else w


def _trained(call: Any) -> bool:
    """Whether a call is made for more than its values."""
    traced = any(isinstance(x, Tracer) for _, x in flat(call.params))
    return traced or call.train or call.building is not None


def tie(net: Any, weight: str, to: str, transpose: bool) -> None:
    """Put one weight of a network in the place of another."""
    (layer, name), (holder, theirs) = (_one(net, given) for given in (weight, to))
    if (layer, name) == (holder, theirs):
        raise DataError(f"{weight} cannot be tied to itself")
    shape = layer._arrays[name].shape
    other = holder._arrays[theirs].shape
    if shape != (other[::-1] if transpose else other):
        cure = "; transpose=True turns it round" if not transpose and shape == other[::-1] else ""
        turned = ", transposed," if transpose else ""
        raise ShapeError(f"{weight} has shape {shape}, {to}{turned} has shape {other}{cure}")
    for held in (layer._arrays, layer._given, layer._tuning):
        held.pop(name, None)
    layer._ties[name] = Tie(holder, theirs, transpose)


def _one(net: Any, name: str) -> tuple[Any, str]:
    found = net._named(name)
    if len(found) != 1 or not found[0][1]:
        raise DataError(f"tie takes names of single weights, such as 'dense1.weight', not {name!r}")
    return found[0]  # type: ignore[no-any-return]


def ties_of(net: Any) -> list[list[Any]]:
    """The ties of a network for a model file: weight, the one it is, whether transposed."""
    paths = {id(module): path for path, module in net.walk()}
    return [
        [".".join((*path, name)), ".".join((*paths[id(one.holder)], one.name)), one.transpose]
        for path, module in net.walk()
        for name, one in module._ties.items()
        if id(one.holder) in paths
    ]

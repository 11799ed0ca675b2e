"""The network of an example, as a module that trains like any other.

In: layers whose weights have names. Out: a ``Module`` with one array for each name: a weight that
stands in two places is shared, and its gradients add up; one that is not trained is a ``State``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive.trace import scope
from deltarule.nn import Module, State
from deltarule.nn.activations import activation_of

ABSENT = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an example.

    Attributes
    ----------
    neurons : tuple of str
        Their names.
    activation : str
        Name of the function of each weighted sum.
    weights : tuple of tuple of str
        A row of names for each neuron, one name for each neuron before it; "" where there is no connection.
    biases : tuple of str
        Name of each neuron's bias; "" where it has none. The same name several times: one shared bias.
    """

    neurons: tuple[str, ...]
    activation: str
    weights: tuple[tuple[str, ...], ...]
    biases: tuple[str, ...]


class Network(Module):
    """A dense network of named weights.

    Each layer is y = f(x W + b), W and b put together from the named numbers.

    Parameters
    ----------
    layers : sequence of Layer
        In order.
    values : mapping
        Number of each name.
    trained : collection of str
        Names that the update changes; the others stay.
    """

    def __init__(
        self, layers: Sequence[Layer], values: Mapping[str, float], trained: Sequence[str]
    ) -> None:
        self.layers = tuple(layers)
        for name, value in values.items():
            array = np.array(float(value))
            setattr(self, name, array if name in trained else State(array))

    def __call__(self, x: Any) -> Any:
        """The outputs of the last layer."""
        for i, layer in enumerate(self.layers, 1):
            with scope(f"layer{i}"):
                rows = [np.stack([self._value(name) for name in row]) for row in layer.weights]
                z = x @ np.stack(rows, axis=1)
                if any(layer.biases):
                    z = z + np.stack([self._value(name) for name in layer.biases])
                x = activation_of(layer.activation)(z)
        return x

    def _value(self, name: str) -> Any:
        return getattr(self, name) if name != ABSENT else np.zeros((), self.dtype)

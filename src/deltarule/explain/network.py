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
from deltarule.nn.normalization import moments, normalized

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
        Of batch normalization a row holds gamma alone.
    biases : tuple of str
        Name of each neuron's bias; "" where it has none. The same name several times: one shared bias. Of
        batch normalization beta.
    epsilon : float or None
        Given, the layer is a batch normalization: each neuron normalizes the one before it.
    """

    neurons: tuple[str, ...]
    activation: str
    weights: tuple[tuple[str, ...], ...]
    biases: tuple[str, ...]
    epsilon: float | None = None


def upstream(outputs: Any, u: Any) -> Any:
    """An error of which only the derivatives are given: E = the sum of u out, dE/dout = u."""
    return np.sum(u * outputs)


class Network(Module):
    """A dense network of named weights.

    Each layer is y = f(x W + b), W and b put together from the named numbers, or a batch normalization
    y = f(gamma xhat + beta).

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
                z = self._sums(layer, x) if layer.epsilon is None else self._normalized(layer, x)
                if any(layer.biases):
                    z = z + np.stack([self._value(name) for name in layer.biases])
                x = activation_of(layer.activation)(z)
        return x

    def _sums(self, layer: Layer, x: Any) -> Any:
        """x W."""
        rows = [np.stack([self._value(name) for name in row]) for row in layer.weights]
        return x @ np.stack(rows, axis=1)

    def _normalized(self, layer: Layer, x: Any) -> Any:
        """gamma xhat."""
        _, centered, variance = moments(x, (0,))
        gamma = np.stack([self._value(name) for (name,) in layer.weights])
        return gamma * normalized(centered, variance, layer.epsilon or 0.0)

    def _value(self, name: str) -> Any:
        return getattr(self, name) if name != ABSENT else np.zeros((), self.dtype)

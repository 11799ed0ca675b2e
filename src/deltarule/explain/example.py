"""Worked examples as files: a network with its numbers, one row or a few, and what is to be done with them.

In: TOML (docs/example-format.md). Out: ``Example``, with a list of what is missing or contradicts
itself.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deltarule.data.place import text_of
from deltarule.errors import DataError
from deltarule.explain.network import ABSENT, Layer, Network
from deltarule.optim import SGD


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an example cannot be computed.

    Attributes
    ----------
    kind : str
        missing or contradiction.
    what : str
        A sentence with names and numbers.
    cure : str
        What to write.
    names : tuple of str
        The quantities that it concerns.
    """

    kind: str
    what: str
    cure: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.what + (f": {self.cure}" if self.cure else "")


@dataclass(frozen=True, slots=True)
class Claim:
    """A number that someone wrote: its name, the text of the number, and the step it is said of."""

    name: str
    text: str
    step: int = 1


@dataclass(frozen=True)
class Example:
    """A network with its numbers, rows, a loss and an update rule.

    Attributes
    ----------
    inputs : tuple of str
        Names of the input neurons.
    layers : tuple of Layer
        From the first hidden layer to the output.
    values : mapping
        Number of each weight and bias that is given.
    x, targets : array or None
        Rows of numbers; None where they are not given.
    loss : str
        Name of a loss; "upstream" where the targets are the derivatives of an error that is not said.
    optimizer : rule
        ``dr.SGD(learning_rate)`` and the like.
    trained : tuple of str
        Weights and biases that the update changes.
    claims : tuple of Claim
        Numbers that someone wrote.
    lines : tuple of str
        A calculation that someone wrote, line by line.
    problems : tuple of Problem
        What is missing, and what contradicts itself.
    """

    inputs: tuple[str, ...]
    layers: tuple[Layer, ...]
    values: Mapping[str, float]
    x: Any
    targets: Any
    loss: str = "half_squared_error"
    optimizer: Any = field(default_factory=lambda: SGD(0.1))
    trained: tuple[str, ...] = ()
    steps: int = 1
    digits: int | None = None
    title: str = ""
    source: str = ""
    note: str = ""
    claims: tuple[Claim, ...] = ()
    lines: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Weights and biases, neuron by neuron, each once."""
        found: list[str] = []
        for layer in self.layers:
            for row, bias in zip(layer.weights, layer.biases, strict=True):
                found += [*row, bias]
        return tuple(dict.fromkeys(name for name in found if name != ABSENT))

    @property
    def missing(self) -> tuple[str, ...]:
        """Weights and biases without a number."""
        return tuple(name for name in self.names if name not in self.values)

    def sound(self) -> Example:
        """The example itself; DataError where it cannot be computed, with all reasons."""
        found = [str(problem) for problem in self.problems]
        if self.missing:
            names = ", ".join(self.missing)
            found.append(
                f"no number is given for {names}: write it under [values], or say fill = 0.5"
            )
        if found:
            place = f"{self.title}: " if self.title else ""
            reasons = "".join(f"\n  - {reason}" for reason in found)
            raise DataError(f"{place}the example cannot be computed:{reasons}")
        return self

    def filled(self, values: Mapping[str, float]) -> Example:
        """The example with numbers for what is missing."""
        return replace(self, values={**self.values, **values})

    def network(self) -> Network:
        """The network, in float64, with the example's weights."""
        self.sound()
        values = {name: self.values[name] for name in self.names}
        net = Network(self.layers, values, self.trained)
        return net.init((1, len(self.inputs)), dtype="float64")


def read(path: str | Path) -> Example:
    """Read an example file.

    Raises
    ------
    DataError
        Where it is no TOML, has entries that the format does not know, or entries of the wrong kind.
        Missing numbers and contradictions are listed in ``problems`` instead.
    """
    text = text_of(Path(path), DataError)
    try:
        data = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is no TOML: {error}") from None
    return parse(data, str(path))


def parse(data: Mapping[str, Any], place: str) -> Example:
    """The example of a nested dict, as TOML gives it; ``place`` is its name in messages."""
    from deltarule.explain.reading import Reader

    return Reader(place).example(data)

"""The example format, entry by entry.

In: the nested dict of a TOML file. Out: an ``Example``; DataError for entries that the format does
not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.explain.example import Claim, Example, Problem
from deltarule.explain.network import ABSENT, Layer
from deltarule.explain.reading_normalization import ENTRIES, check_normalization, normalization
from deltarule.nn import Module
from deltarule.nn.losses import LOSSES
from deltarule.nn.named import nearest
from deltarule.optim import SGD
from deltarule.optim.rules import OPTIMIZERS

TOP = """title source note inputs targets loss learning_rate optimizer trained fixed fill seed steps digits
    layers values claims lines upstream""".split()
LAYER = ["neurons", "units", "activation", "weights", "bias", "normalize", *ENTRIES]


class Reader:
    """Reads one example; ``place`` is the file's name, for messages."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.problems: list[Problem] = []
        self.values: dict[str, float] = {}

    def wrong(self, message: str) -> DataError:
        """The error for an entry of the wrong kind."""
        return DataError(f"{self.place}: {message}")

    def known(self, data: Mapping[str, Any], names: Sequence[str], where: str) -> None:
        """Raise where an entry is none of the format."""
        for key in data:
            if key not in names:
                near = get_close_matches(key, names, 1)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise self.wrong(
                    f"{where} has an entry {key!r}{meant or '.'} Known are: {', '.join(names)}"
                )

    def example(self, data: Mapping[str, Any]) -> Example:
        """The whole file."""
        self.known(data, TOP, "the file")
        self.values.update(self._numbers(data.get("values", {}), "values"))
        inputs, x = self._named(data.get("inputs"), "inputs", "i")
        layers = self._layers(data.get("layers"), inputs)
        outputs = layers[-1].neurons if layers else ()
        loss = self._loss(data)
        targets = self._targets(data.get(self._entry_of(loss)), outputs, loss, x)
        example = Example(
            tuple(inputs),
            tuple(layers),
            self.values,
            x,
            targets,
            loss,
            self._optimizer(data),
            steps=self._whole(data.get("steps", 1), "steps"),
            digits=self._whole(data["digits"], "digits") if "digits" in data else None,
            title=str(data.get("title", "")),
            source=str(data.get("source", "")),
            note=str(data.get("note", "")),
            claims=tuple(self._claims(data.get("claims", {}))),
            lines=self._lines(data.get("lines", [])),
        )
        if any(layer.epsilon is not None for layer in layers) and x is not None and len(x) < 2:
            reason = "batch normalization takes mean and variance of rows, and there is one row"
            self.problems.append(Problem("contradiction", reason, "give two rows or more"))
        self._filled(example, data)
        self._distinct(example)
        unknown = [name for name in self.values if name not in example.names]
        for name in unknown:
            near = get_close_matches(name, example.names, 1)
            cure = f"did you mean {near[0]}?" if near else "name it in a layer, or leave it out"
            self.problems.append(
                Problem(
                    "contradiction",
                    f"values has a number for {name}, which no layer uses",
                    cure,
                    (name,),
                )
            )
        from dataclasses import replace

        return replace(
            example,
            values=self.values,
            trained=self._trained(data, example),
            problems=tuple(self.problems),
        )

    # --- numbers ---

    def number(self, value: Any, where: str) -> float:
        """A finite number."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
            raise self.wrong(f"{where} is {value!r}; a finite number is needed")
        return float(value)

    def _whole(self, value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong(f"{where} is {value!r}; a whole number from 1 on is needed")
        return value

    def _numbers(self, table: Any, where: str) -> dict[str, float]:
        if not isinstance(table, Mapping):
            raise self.wrong(f"{where} is a table of names and numbers, not {table!r}")
        return {name: self.number(v, f"{where}.{name}") for name, v in table.items()}

    def _named(self, given: Any, where: str, letter: str) -> tuple[list[str], Any]:
        """Names and rows of the inputs."""
        if given is None:
            self.problems.append(
                Problem("missing", f"no {where} are given", f"write {where} = [...]")
            )
            return [], None
        if isinstance(given, Mapping):
            columns = [
                [self.number(v, f"{where}.{k}") for v in (c if isinstance(c, list) else [c])]
                for k, c in given.items()
            ]
            if len({len(c) for c in columns}) > 1:
                raise self.wrong(
                    f"{where} have columns of {sorted({len(c) for c in columns})} rows"
                )
            names = [f"x{k}" if k[:1].isdigit() else k for k in given]  # "1" would be a number
            return names if letter == "i" else list(given), np.array(columns, float).T
        rows = self._rows(given, where)
        return [f"{letter}{k}" for k in range(1, rows.shape[1] + 1)], rows

    def _rows(self, given: Any, where: str) -> Any:
        if isinstance(given, (int, float)):
            given = [given]
        if not isinstance(given, list) or not given:
            raise self.wrong(
                f"{where} is a list of numbers, or a list of rows of them, not {given!r}"
            )
        rows = given if isinstance(given[0], list) else [given]
        if any(not isinstance(row, list) for row in rows) or len({len(row) for row in rows}) > 1:
            raise self.wrong(f"{where}: rows have different lengths")
        return np.array([[self.number(v, where) for v in row] for row in rows], float)

    def _entry_of(self, loss: str) -> str:
        """The entry that holds what the outputs are held against."""
        return "upstream" if loss == "upstream" else "targets"

    def _targets(self, given: Any, outputs: Sequence[str], loss: str, x: Any) -> Any:
        if given is None:
            self.problems.append(
                Problem("missing", "no targets are given", "write targets = [...]")
            )
            return None
        if loss in ("cross_entropy", "focal") and len(outputs) > 1:
            classes = [given] if isinstance(given, int) else given
            if isinstance(classes, list) and all(isinstance(c, int) for c in classes):
                if len(classes) == (1 if x is None else len(x)):
                    return np.array(classes)
        names, rows = self._named(given, "targets", "t")
        n = len(outputs)
        if isinstance(given, Mapping) and set(names) != set(outputs) and n:
            self.problems.append(
                Problem(
                    "contradiction",
                    f"targets are for {', '.join(names)}, the outputs are {', '.join(outputs)}",
                )
            )
        elif isinstance(given, Mapping) and n:
            rows = rows[:, [names.index(name) for name in outputs]]
        if x is not None and len(rows) != len(x) and n == 1 and rows.shape == (1, len(x)):
            rows = rows.T
        if n and rows.shape[1] != n:
            self.problems.append(
                Problem(
                    "contradiction", f"{rows.shape[1]} targets are given for {n} output neurons"
                )
            )
        if x is not None and len(rows) != len(x):
            self.problems.append(
                Problem(
                    "contradiction",
                    f"{len(x)} rows of inputs and {len(rows)} rows of targets are given",
                )
            )
        return rows

    # --- layers ---

    def _layers(self, given: Any, inputs: Sequence[str]) -> list[Layer]:
        if not given:
            self.problems.append(Problem("missing", "no layers are given", "write [[layers]]"))
            return []
        if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
            raise self.wrong("layers are tables, each under its own [[layers]]")
        layers: list[Layer] = []
        before = list(inputs)
        for i, one in enumerate(given, 1):
            self.known(one, LAYER, f"layer {i}")
            layers.append(self._layer(one, i, before, last=i == len(given), many=len(given) > 2))
            before = list(layers[-1].neurons)
        return layers

    def _layer(
        self, one: Mapping[str, Any], i: int, before: list[str], last: bool, many: bool
    ) -> Layer:
        where = f"layer {i}"
        neurons = one.get("neurons")
        check_normalization(self, one, where)
        if neurons is None and "normalize" in one:
            neurons = self._default(len(before), i, last, many)
        if neurons is None:
            rows = one.get("weights", [])
            n = one.get(
                "units",
                len(rows) if isinstance(rows, list) and rows and isinstance(rows[0], list) else 1,
            )
            neurons = self._default(self._whole(n, f"{where}: units"), i, last, many)
        if not isinstance(neurons, list) or not all(isinstance(n, str) and n for n in neurons):
            raise self.wrong(f"{where}: neurons is a list of names, not {neurons!r}")
        activation = one.get("activation", "identity")
        from deltarule.nn.activations import activation_of

        if not isinstance(activation, str):
            raise self.wrong(f"{where}: activation is a name, not {activation!r}")
        activation_of(activation)
        if "normalize" in one:
            return normalization(self, one, neurons, activation, before, where)
        weights = self._weights(one.get("weights"), neurons, before, where)
        biases = self._biases(one.get("bias"), neurons, where)
        return Layer(tuple(neurons), activation, weights, biases)

    def _default(self, n: int, i: int, last: bool, many: bool) -> list[str]:
        """Names of neurons that have none: h1, h2 ..., o1 ... in the last layer."""
        letter = "o" if last else f"h{i}_" if many else "h"
        return [f"{letter}{j}" for j in range(1, n + 1)]

    def _weights(self, given: Any, neurons: list[str], before: list[str], where: str) -> Any:
        rows = given if given is not None else [["?"] * len(before) for _ in neurons]
        if (
            isinstance(rows, list)
            and len(neurons) == 1
            and not any(isinstance(r, list) for r in rows)
        ):
            rows = [rows]
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise self.wrong(
                f"{where}: weights has a row for each neuron, [[...], [...]], not {rows!r}"
            )
        if len(rows) > len(neurons):
            self.problems.append(
                Problem(
                    "contradiction",
                    f"{where} has {len(rows)} rows of weights for {len(neurons)} neurons",
                )
            )
        out = []
        for j, neuron in enumerate(neurons):
            row = rows[j] if j < len(rows) else []
            if len(row) > len(before):
                self.problems.append(
                    Problem(
                        "contradiction",
                        f"{neuron} has {len(row)} weights, {len(before)} neurons stand before it",
                    )
                )
            padded = [*row, *["?"] * (len(before) - len(row))][: len(before)]
            out.append(
                tuple(
                    self.entry(
                        entry, f"w_{source}_{neuron}", f"the weight from {source} to {neuron}"
                    )
                    for entry, source in zip(padded, before, strict=True)
                )
            )
        return tuple(out)

    def _biases(self, given: Any, neurons: list[str], where: str) -> tuple[str, ...]:
        if given is None:
            return (ABSENT,) * len(neurons)
        row = given if isinstance(given, list) else [given] * len(neurons)
        if len(row) > len(neurons):
            self.problems.append(
                Problem(
                    "contradiction", f"{where} has {len(row)} biases for {len(neurons)} neurons"
                )
            )
        row = [*row, *["?"] * (len(neurons) - len(row))][: len(neurons)]
        return tuple(
            self.entry(entry, f"b_{neuron}", f"the bias of {neuron}")
            for entry, neuron in zip(row, neurons, strict=True)
        )

    def entry(self, entry: Any, name: str, what: str) -> str:
        """The name of a weight: its own, or one made for a number."""
        if entry == "-":
            return ABSENT
        if entry == "?":
            return name
        if isinstance(entry, str):
            if not entry.isidentifier():
                raise self.wrong(f"{what} is {entry!r}; a name is made of letters, digits and _")
            if hasattr(Module, entry) or entry == "layers":
                raise self.wrong(f"{what}: {entry!r} is a word of networks; take another name")
            return entry
        self.values[name] = self.number(entry, what)
        return name

    # --- what is done ---

    def _loss(self, data: Mapping[str, Any]) -> str:
        """The loss's name; upstream where only its derivatives are given."""
        if "upstream" in data:
            if more := [name for name in ("loss", "targets") if name in data]:
                raise self.wrong(
                    "upstream gives the derivatives of the error with respect to the outputs, "
                    f"instead of a loss and targets; {' and '.join(more)} stand there, too"
                )
            return "upstream"
        given = data.get("loss", "half_squared_error")
        if given not in LOSSES:
            raise self.wrong(
                f"no loss is called {given!r}; known: {', '.join(LOSSES)}{nearest(given, LOSSES)}"
            )
        return str(given)

    def _optimizer(self, data: Mapping[str, Any]) -> Any:
        given = data.get("optimizer")
        if given is None:
            if "learning_rate" not in data:
                self.problems.append(
                    Problem("missing", "no learning rate is given", "write learning_rate = 0.1")
                )
                return SGD()
            return SGD(self.number(data["learning_rate"], "learning_rate"))
        table = {"name": given} if isinstance(given, str) else dict(given)
        if "learning_rate" in data:
            table.setdefault("learning_rate", data["learning_rate"])
        name = str(table.pop("name", "sgd")).lower()
        if name not in OPTIMIZERS:
            raise self.wrong(f"no optimizer is called {name!r}; known: {', '.join(OPTIMIZERS)}")
        try:
            return OPTIMIZERS[name](**table)
        except TypeError as error:
            raise self.wrong(f"optimizer: {error}") from None

    def _trained(self, data: Mapping[str, Any], example: Example) -> tuple[str, ...]:
        biases = {b for layer in example.layers for b in layer.biases}
        said = data.get("trained", "all")
        if said == "all":
            names = set(example.names)
        elif said == "weights":
            names = set(example.names) - biases
        elif isinstance(said, list):
            names = set(map(str, said))
        else:
            raise self.wrong(f"trained is 'all', 'weights' or a list of names, not {said!r}")
        fixed = data.get("fixed", [])
        for name in [*names, *fixed]:
            if name not in example.names:
                raise self.wrong(
                    f"{name!r}, said to be trained or fixed, is no weight of this network"
                )
        return tuple(name for name in example.names if name in names and name not in fixed)

    def _filled(self, example: Example, data: Mapping[str, Any]) -> None:
        """Numbers for what is not given, where the file says which."""
        fill = data.get("fill")
        if fill is None:
            return
        missing = [name for name in example.names if name not in self.values]
        if fill == "random":
            numbers = np.random.default_rng(data.get("seed", 0)).uniform(-0.5, 0.5, len(missing))
            self.values.update(zip(missing, numbers.round(2).tolist(), strict=True))
        else:
            self.values.update(dict.fromkeys(missing, self.number(fill, "fill")))

    def _distinct(self, example: Example) -> None:
        """Inputs, neurons and weights have names of their own; so have settings and the error."""
        neurons = [n for layer in example.layers for n in layer.neurons]
        names = [*example.inputs, *neurons, *example.names, "lr", "E", "E_total"]
        for name in dict.fromkeys(n for n in names if names.count(n) > 1):
            problem = f"{name} names two things"
            self.problems.append(Problem("contradiction", problem, "rename one of them", (name,)))

    def _claims(self, given: Any) -> list[Claim]:
        if not isinstance(given, Mapping):
            raise self.wrong(
                "claims is a table of names and numbers; lines of text stand in lines = [...]"
            )
        out = []
        for name, value in given.items():
            base, _, step = name.partition("@")
            if isinstance(value, bool) or not isinstance(value, (int, float, str)):
                raise self.wrong(
                    f"claims.{name} is {value!r}; a number, or its text in quotes, is needed"
                )
            out.append(
                Claim(base, value if isinstance(value, str) else repr(value), int(step or 1))
            )
        return out

    def _lines(self, given: Any) -> tuple[str, ...]:
        """Lines of plain text: a list of them, or one block."""
        if isinstance(given, str):
            given = given.splitlines()
        if not isinstance(given, list) or not all(isinstance(line, str) for line in given):
            raise self.wrong(f"lines is a list of lines, or a block of text, not {given!r}")
        return tuple(line for line in given if line.strip())

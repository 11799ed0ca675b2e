"""Simulated students: a training step done by hand, in several notations and precisions, with at most one
slip.

In: a seed. Out: an example without claims, the lines that the student writes, and which line is wrong
and why. It knows dense networks in plain floats and nothing of the library's formulas.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from deltarule.explain.example import parse

SIZES = [
    (2, 2, 1),
    (3, 2, 1),
    (2, 3, 2),
    (2, 2, 2),
    (1, 2, 1),
    (2, 1),
    (3, 1),
    (2, 3, 1),
    (2, 2, 2, 1),
]
ACTIVATIONS = {
    "logistic": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": math.tanh,
    "relu": lambda z: max(0.0, z),
    "identity": lambda z: z,
}
SLOPES = {
    "logistic": lambda y: y * (1 - y),
    "tanh": lambda y: 1 - y * y,
    "relu": lambda y: float(y > 0),
    "identity": lambda y: 1.0,
}


@dataclass
class Problem:
    """A network with its numbers."""

    sizes: tuple[int, ...]
    activations: list[str]
    weights: list[list[list[float]]]
    biases: list[list[float]] | None
    x: list[float]
    t: list[float]
    rate: float
    loss: str

    @property
    def last(self) -> int:
        return len(self.sizes) - 1

    def neuron(self, layer: int, unit: int) -> str:
        if layer == self.last:
            return f"o{unit + 1}"
        return f"h{unit + 1}" if self.last == 2 else f"h{layer}_{unit + 1}"

    def weight(self, layer: int, unit: int, source: int) -> str:
        before = sum(self.sizes[k] * self.sizes[k - 1] for k in range(1, layer))
        return f"w{before + unit * self.sizes[layer - 1] + source + 1}"

    def bias(self, layer: int, unit: int) -> str:
        return f"b_{self.neuron(layer, unit)}"

    def text(self, write: Notation, arrows: bool) -> str:
        """The statement in words."""
        number = write.given
        apart = "; " if write.comma else ", "
        shape = "-".join(map(str, self.sizes))
        words = {"identity": "no activation", "logistic": "sigmoid"}
        hidden, output = (words.get(a, a) for a in (self.activations[0], self.activations[-1]))
        said = [f"A {shape} network. The output neurons use {output}."]
        if self.last > 1:
            said.append(f"The hidden neurons use {hidden}.")
        said.append(
            "The error is half the squared error." if self.loss == "half_squared_error"
            else "The error is the mean of the squared errors (MSE)."
        )  # fmt: skip
        said.append(f"Learning rate: {number(self.rate)}")
        said.append(apart.join(f"x{k + 1} = {number(v)}" for k, v in enumerate(self.x)))
        said.append(apart.join(f"t{k + 1} = {number(v)}" for k, v in enumerate(self.t)))
        weights, biases = [], []
        for layer in range(1, self.last + 1):
            for j in range(self.sizes[layer]):
                for k in range(self.sizes[layer - 1]):
                    start = f"x{k + 1}" if layer == 1 else self.neuron(layer - 1, k)
                    arrow = f" ({start} -> {self.neuron(layer, j)})" if arrows else ""
                    value = number(self.weights[layer - 1][j][k])
                    weights.append(f"{self.weight(layer, j, k)} = {value}{arrow}")
                if self.biases:
                    biases.append(f"{self.bias(layer, j)} = {number(self.biases[layer - 1][j])}")
        said.append(apart.join(weights))
        said.append(apart.join(biases) if biases else "There are no biases.")
        return "\n".join(said) + "\n\n"

    def toml(self) -> dict[str, object]:
        """The example as a TOML file would say it."""
        layers, values = [], {}
        for layer in range(1, self.last + 1):
            rows = range(self.sizes[layer])
            names = [[self.weight(layer, j, k) for k in range(self.sizes[layer - 1])] for j in rows]
            for j in rows:
                for k in range(self.sizes[layer - 1]):
                    values[names[j][k]] = self.weights[layer - 1][j][k]
                if self.biases:
                    values[self.bias(layer, j)] = self.biases[layer - 1][j]
            one = {
                "neurons": [self.neuron(layer, j) for j in rows],
                "activation": self.activations[layer - 1],
                "weights": names,
            }
            if self.biases:
                one["bias"] = [self.bias(layer, j) for j in rows]
            layers.append(one)
        return {
            "inputs": {f"x{k + 1}": v for k, v in enumerate(self.x)},
            "targets": self.t,
            "learning_rate": self.rate,
            "loss": self.loss,
            "layers": layers,
            "values": values,
        }


def problem(rng: random.Random) -> Problem:
    """A random network with numbers of one or two decimals, all different."""
    sizes = rng.choice(SIZES)
    fresh = [round(s * i / 100, 2) for i in range(5, 95) for s in (1, 1, -1)]
    rng.shuffle(fresh)
    seen: set[float] = set()

    def number() -> float:
        while abs(v := fresh.pop()) in seen:
            pass
        seen.add(abs(v))
        return v

    hidden = rng.choice(["logistic", "logistic", "tanh", "relu", "identity"])
    output = rng.choice(["logistic", "identity", "tanh" if hidden == "tanh" else "logistic"])
    weights = [
        [[number() for _ in range(sizes[k - 1])] for _ in range(sizes[k])]
        for k in range(1, len(sizes))
    ]
    biases = [[number() for _ in range(n)] for n in sizes[1:]] if rng.random() < 0.7 else None
    x = [abs(number()) + rng.choice([0, 1, 2]) for _ in range(sizes[0])]
    t = [round(rng.uniform(0.05, 0.95), 2) for _ in range(sizes[-1])]
    activations = [hidden] * (len(sizes) - 2) + [output]
    loss = rng.choice(["half_squared_error"] * 3 + ["mse"])
    return Problem(sizes, activations, weights, biases, x, t, rng.choice([0.1, 0.25, 0.5]), loss)


@dataclass
class Notation:
    """How a student writes."""

    times: str
    minus: str
    equals: str
    decimals: int
    comma: bool
    names: int
    terms: float  # share of lines with their terms
    hand: bool  # goes on from the rounded numbers; else keeps them in a calculator

    def number(self, v: float) -> str:
        text = f"{v:.{self.decimals}f}"
        return self._dress(text if float(text) else text.replace("-", ""))

    def given(self, v: float) -> str:
        return self._dress(f"{v:g}")

    def _dress(self, text: str) -> str:
        return (text.replace(".", ",") if self.comma else text).replace("-", self.minus)


def notation(rng: random.Random) -> Notation:
    return Notation(
        rng.choice(["*", " * ", " × ", "·", " ⋅ "]),
        rng.choice(["-", "-", "−"]),
        rng.choice([" = ", " = ", " ≈ "]),
        rng.randint(3, 8),
        rng.random() < 0.15,
        rng.randrange(3),
        rng.choice([0.0, 0.5, 1.0]),
        rng.random() < 0.6,
    )


NAMES = [
    {
        "net": "net_{}",
        "out": "out_{}",
        "delta": "delta_{}",
        "grad": "dE/d{}",
        "new": "{}_new",
        "E": "E",
    },
    {"net": "net {}", "out": "{}", "delta": "δ_{}", "grad": "∂E/∂{}", "new": "{}⁺", "E": "E_total"},
    {
        "net": "z_{}",
        "out": "a_{}",
        "delta": "∂E/∂net_{}",
        "grad": "gradient of {}",
        "new": "new {}",
        "E": "Error",
    },
]


@dataclass
class Student:
    """Works a step out, line by line; ``slip`` is (number of the line, kind)."""

    problem: Problem
    write: Notation
    rng: random.Random
    slip: tuple[int, str] | None = None
    lines: list[str] = field(default_factory=list)
    chances: list[tuple[int, str]] = field(default_factory=list)
    moved: float = 0.0

    def put(
        self, role: str, of: str, terms: str, right: float, slips: dict[str, tuple[str, float]]
    ) -> float:
        """One line; returns the number with which the student goes on."""
        n = len(self.lines)
        plain = {"arithmetic": (terms, self.muddled(right))}
        self.chances += [(n, kind) for kind in [*slips, *plain]]
        value = right
        if self.slip and self.slip[0] == n:
            terms, value = {**slips, **plain}[self.slip[1]]
            self.moved = abs(value - right) / 10.0**-self.write.decimals
        label = NAMES[self.write.names][role].format(of)
        shown = self.rng.random() < self.write.terms
        # terms of a slip stand in the line only where they are written at all
        middle = f"{self.write.equals.replace('≈', '=')}{terms}" if shown else ""
        text = self.write.number(value)
        self.lines.append(f"{label}{middle}{self.write.equals}{text}")
        if not self.write.hand:
            return value
        return float(text.replace(",", ".").replace("−", "-"))

    def muddled(self, v: float) -> float:
        """A slip of the pocket calculator."""
        return v * self.rng.choice([1.37, 0.61, 1.83]) + self.rng.choice([0.0213, -0.0317])

    def times(self, *factors: str) -> str:
        return self.write.times.join(f"({f})" if f[0] in "-−" else f for f in factors)

    def step(self) -> None:
        p, w = self.problem, self.write
        values: list[list[float]] = [p.x]
        shown: list[list[str]] = [[w.given(v) for v in p.x]]
        for layer in range(1, p.last + 1):
            outs, texts = [], []
            for j in range(p.sizes[layer]):
                z = self.net(layer, j, values[-1], shown[-1])
                y = self.out(layer, j, z)
                outs.append(y)
                texts.append(w.number(y))
            values.append(outs)
            shown.append(texts)
        self.error(values[-1], shown[-1])
        deltas: list[float] = []
        fresh: dict[tuple[int, int, int], float] = {}
        for layer in range(p.last, 0, -1):
            found = []
            for j in range(p.sizes[layer]):
                args = (layer, j, values[layer][j], shown[layer][j])
                found.append(
                    self.delta_out(*args, values[-1])
                    if layer == p.last
                    else self.delta_hidden(*args, deltas, fresh)
                )
            deltas = found
            self.update(layer, deltas, values[layer - 1], shown[layer - 1], fresh)

    def net(self, layer: int, j: int, x: list[float], texts: list[str]) -> float:
        p, w = self.problem, self.write
        row = p.weights[layer - 1][j]
        b = p.biases[layer - 1][j] if p.biases else None

        def total(row: list[float], x: list[float], b: float | None) -> float:
            return sum(a * c for a, c in zip(row, x, strict=True)) + (b or 0.0)

        def said(row: list[float], texts: list[str], b: float | None) -> str:
            parts = [self.times(w.given(a), c) for a, c in zip(row, texts, strict=True)]
            return " + ".join([*parts, *([w.given(b)] if b is not None else [])]).replace(
                f"+ {w.minus}", f"{w.minus} "
            )

        slips = {}
        if b is not None:
            slips["bias left out"] = (said(row, texts, None), total(row, x, None))
        if len(x) > 1:
            swapped, named = [x[1], x[0], *x[2:]], [texts[1], texts[0], *texts[2:]]
            kind = "wrong input used" if layer == 1 else "wrong neuron's value used"
            slips[kind] = (said(row, named, b), total(row, swapped, b))
        if len(x) == p.sizes[layer] > 1:
            column = [r[j] for r in p.weights[layer - 1]]
            slips["transposed weights"] = (said(column, texts, b), total(column, x, b))
        negative = [-row[0], *row[1:]]
        slips["sign"] = (said(negative, texts, b), total(negative, x, b))
        if p.activations[layer - 1] == "identity":
            return self.put("out", p.neuron(layer, j), said(row, texts, b), total(row, x, b), slips)
        return self.put("net", p.neuron(layer, j), said(row, texts, b), total(row, x, b), slips)

    def out(self, layer: int, j: int, z: float) -> float:
        p, w = self.problem, self.write
        kind = p.activations[layer - 1]
        if kind == "identity":
            return z
        text = w.number(z)
        said = {
            "logistic": f"1/(1 + e^(-({text})))", "tanh": f"tanh({text})", "relu": f"max(0; {text})",
        }[kind]  # fmt: skip
        slips = {"activation left out": (text, z)}
        if kind == "logistic":
            slips["sign"] = (f"1/(1 + e^({text}))", ACTIVATIONS[kind](-z))
            slips["wrong activation"] = (f"tanh({text})", math.tanh(z))
        return self.put("out", p.neuron(layer, j), said, ACTIVATIONS[kind](z), slips)

    def error(self, y: list[float], texts: list[str]) -> None:
        p, w = self.problem, self.write
        total = sum((a - t) ** 2 for a, t in zip(y, p.t, strict=True))
        squares = " + ".join(
            f"({w.given(t)} {w.minus} {a})^2" for a, t in zip(texts, p.t, strict=True)
        )
        n = len(y)
        half = p.loss == "half_squared_error"
        factor = 0.5 if half else 1 / n
        said = f"1/2{w.times.strip()}({squares})" if half else f"1/{n}{w.times.strip()}({squares})"
        self.loss = factor * total
        slips = {}
        if factor != 1:
            slips["half or mean mistaken"] = (f"({squares})", total)
        self.put("E", "", said, factor * total, slips)

    def delta_out(self, layer: int, j: int, y: float, text: str, ys: list[float]) -> float:
        p, w = self.problem, self.write
        kind, t, n = p.activations[layer - 1], p.t[j], len(p.t)
        factor = 1.0 if p.loss == "half_squared_error" else 2 / n
        slope = SLOPES[kind](y)
        slope_said = {"logistic": [text, f"(1 - {text})"], "tanh": [f"(1 - {text}^2)"]}.get(
            kind, []
        )
        front = (
            []
            if factor == 1
            else ([w.given(factor)] if factor != int(factor) else [f"{factor:.0f}"])
        )
        minus = f" {w.minus} "
        difference = f"({text}{minus}{w.given(t)})"
        right = factor * (y - t) * slope

        def said(*factors: str) -> str:
            return w.times.join(factors)

        turned = f"({w.given(t)}{minus}{text})"
        slips = {
            "sign": (said(*front, turned, *slope_said), -right),
            "multiplied by the error instead of its derivative": (
                said(w.number(self.loss), *slope_said), self.loss * slope,
            ),
            "half or mean mistaken": (said("2", *front, difference, *slope_said), 2 * right),
        }  # fmt: skip
        if kind in ("logistic", "tanh"):
            slips["activation's derivative left out"] = (said(*front, difference), factor * (y - t))
        if kind == "logistic":
            slips["wrong derivative of the activation"] = (
                said(*front, difference, f"(1 - {text}^2)"), factor * (y - t) * (1 - y * y),
            )  # fmt: skip
        if len(p.t) > 1:
            other = p.t[1 - j if j < 2 else 0]
            slips["wrong target used"] = (
                said(*front, f"({text}{minus}{w.given(other)})", *slope_said), factor * (y - other) * slope,
            )  # fmt: skip
        return self.put(
            "delta", p.neuron(layer, j), said(*front, difference, *slope_said), right, slips
        )

    def delta_hidden(
        self,
        layer: int,
        j: int,
        y: float,
        text: str,
        deltas: list[float],
        fresh: dict[tuple[int, int, int], float],
    ) -> float:
        p, w = self.problem, self.write
        kind = p.activations[layer - 1]
        slope = SLOPES[kind](y)
        slope_said = {"logistic": [text, f"(1 - {text})"], "tanh": [f"(1 - {text}^2)"]}.get(
            kind, []
        )
        rows = p.weights[layer]
        old = [row[j] for row in rows]
        new = [fresh[layer + 1, k, j] for k in range(len(rows))]

        def back(column: list[float], number: object) -> tuple[str, float]:
            parts = [
                self.times(w.number(d), number(c)) for d, c in zip(deltas, column, strict=True)
            ]
            whole = " + ".join(parts)
            front = f"({whole})" if len(parts) > 1 and (slope_said or kind == "relu") else whole
            return w.times.join([front, *slope_said]), sum(
                d * c for d, c in zip(deltas, column, strict=True)
            ) * slope

        right = back(old, w.given)
        if kind == "relu":
            right = (right[0] + f"{w.times}{slope:.0f}", right[1])
        slips = {"sign": (w.minus + right[0] if len(rows) == 1 else right[0], -right[1])}
        slips["updated weights used too early"] = back(new, w.number)
        if slope_said:
            whole = " + ".join(
                self.times(w.number(d), w.given(c)) for d, c in zip(deltas, old, strict=True)
            )
            slips["activation's derivative left out"] = (whole, right[1] / slope)
        if len(rows) > 1:
            first = self.times(w.number(deltas[0]), w.given(old[0]))
            slips["term left out"] = (
                w.times.join([first, *slope_said]),
                deltas[0] * old[0] * slope,
            )
        if len(rows) == len(rows[0]) > 1:
            slips["transposed weights"] = back(rows[j], w.given)
        if len(rows) > 1 and len(rows[0]) > 1:
            slips["wrong weight used"] = back([row[1 - j if j < 2 else 0] for row in rows], w.given)
        return self.put("delta", p.neuron(layer, j), right[0], right[1], slips)

    def update(
        self,
        layer: int,
        deltas: list[float],
        x: list[float],
        texts: list[str],
        fresh: dict[tuple[int, int, int], float],
    ) -> None:
        p = self.problem
        for j, delta in enumerate(deltas):
            for k in range(len(x)):
                grad = self.gradient(p.weight(layer, j, k), delta, deltas, j, x, texts, k)
                old = p.weights[layer - 1][j][k]
                fresh[layer, j, k] = self.new(p.weight(layer, j, k), old, grad)
            if p.biases:
                old = p.biases[layer - 1][j]
                self.new(p.bias(layer, j), old, delta)

    def gradient(
        self,
        name: str,
        delta: float,
        deltas: list[float],
        j: int,
        x: list[float],
        texts: list[str],
        k: int,
    ) -> float:
        w, p = self.write, self.problem
        d = w.number(delta)
        slips = {
            "sign": (w.minus + self.times(d, texts[k]), -delta * x[k]),
            "learning rate mistaken": (
                self.times(w.given(p.rate), d, texts[k]),
                p.rate * delta * x[k],
            ),
        }
        if len(x) > 1:
            other = 1 - k if k < 2 else 0
            kind = "wrong input used" if x is p.x else "wrong neuron's value used"
            slips[kind] = (self.times(d, texts[other]), delta * x[other])
        return self.put("grad", name, self.times(d, texts[k]), delta * x[k], slips)

    def new(self, name: str, old: float, grad: float) -> float:
        w, p = self.write, self.problem
        g, eta, start = w.number(grad), w.given(p.rate), w.given(old)
        minus = f" {w.minus} "
        slips = {
            "sign": (f"{start} + {self.times(eta, g)}", old + p.rate * grad),
            "learning rate mistaken": (f"{start}{minus}{self.times(g)}", old - grad),
        }
        return self.put(
            "new", name, f"{start}{minus}{self.times(eta, g)}", old - p.rate * grad, slips
        )


def student(seed: int, slip: bool) -> tuple[Student, dict[str, object]]:
    """A calculation, right or with one slip that is far enough from the right number to be seen."""
    rng = random.Random(seed)
    p, w = problem(rng), notation(rng)
    state = rng.getstate()
    first = Student(p, w, random.Random(seed))
    first.step()
    if not slip:
        return first, p.toml()
    rng.setstate(state)
    kinds = sorted({kind for _, kind in first.chances})
    for _ in range(200):
        kind = rng.choice(kinds)
        chosen = rng.choice([chance for chance in first.chances if chance[1] == kind])
        again = Student(p, w, random.Random(seed), chosen)
        again.step()
        if again.moved > 8:
            return again, p.toml()
    raise AssertionError(f"seed {seed}: no slip can be seen")


def example_of(made: Student, toml: dict[str, object]):
    return parse({**toml, "lines": made.lines}, "a student's")


def text_of(made: Student, seed: int) -> tuple[str, int]:
    """The whole as plain text, and the number of lines before the calculation."""
    head = made.problem.text(made.write, arrows=seed % 2 == 0)
    return head + "\n".join(made.lines) + "\n", head.count("\n")

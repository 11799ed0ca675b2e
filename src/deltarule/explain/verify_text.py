"""Check a plain text: recognize its network, then judge its lines. What is not recognized is said, never
guessed.

In: a text with the statement of a network and a calculation. Out: a verdict; with problems and no
findings where the network cannot be told from the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from deltarule.explain.example import Example, Problem
from deltarule.explain.handwork_characters import plain
from deltarule.explain.handwork_numbers import AmbiguousComma
from deltarule.explain.network import ABSENT, Layer
from deltarule.explain.verify import Verdict, _wrong, check, work
from deltarule.explain.verify_places import Places, Rows, biases, placements
from deltarule.explain.verify_record import steps_of
from deltarule.explain.verify_statement import (
    UNKNOWN_ACTIVATION,
    Given,
    Statement,
    read_statement,
)
from deltarule.optim import SGD

_PLAIN_SQUARE = re.compile(
    r"\b(?:E|L|J|C|loss|error|cost)\w*\s*=\s*\(\s*[A-Za-z]\w*\s*-\s*[A-Za-z]\w*\s*\)\s*\^\s*2(?!\s*[/*])"
)
UPDATED = ("new", "change", "memory_new")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reading of the statement, and what it takes names to mean."""

    example: Example
    words: tuple[str, ...]


def verify_text(text: str, title: str) -> Verdict:
    """Check a text with the statement of a network and a calculation."""
    try:
        statement = read_statement(text)
    except AmbiguousComma as error:
        return Verdict(title, (), (Problem("contradiction", str(error)),))
    if strange := UNKNOWN_ACTIVATION.search(text):
        cure = "known are sigmoid, tanh, ReLU, softmax and none"
        what = f"the activation {strange[0]!r} cannot be checked"
        return Verdict(title, (), (Problem("contradiction", what, cure),))
    sizes, problems = sizes_of(statement)
    if problems:
        from deltarule.explain.verify_repairs import verify_incomplete

        return verify_incomplete(statement, sizes, title, problems)
    found = list(candidates(statement, sizes, title))
    if not found:
        return Verdict(title, (), (_unplaced(statement, sizes),))
    return best(found, statement)


def best(found: list[Candidate], statement: Statement) -> Verdict:
    """The verdict of the reading under which the fewest lines are wrong."""
    lines = statement.calculation
    if not any(line.numeric for line in lines):
        nothing = Problem(
            "missing", "there is no calculation after the statement", "write its lines"
        )
        return Verdict(found[0].example.title, (), (nothing,))
    judged: list[tuple[int, int, Candidate, Verdict]] = []
    for candidate in found:
        verdict = check(candidate.example, lines, brief=True)
        unknown = sum(f.status == "unknown" for f in verdict.findings)
        judged.append((_wrong(verdict.findings) + unknown, len(judged), candidate, verdict))
    judged.sort(key=lambda entry: entry[:2])
    least, _, chosen, verdict = judged[0]
    rivals = [c for n, _, c, v in judged[1:] if n == least and _differ(v, verdict)]
    if rivals:
        ways = " or ".join(dict.fromkeys("; ".join(c.words) for c in (chosen, *rivals[:2])))
        cure = "say which, for instance w2 = 0.3 (x2 -> h1)"
        what = f"the text can be read in more than one way: {ways}"
        return Verdict(verdict.title, (), (Problem("contradiction", what, cure),))
    return _complete(statement, chosen, check(chosen.example, lines, chosen.words))


def _differ(a: Verdict, b: Verdict) -> bool:
    """Whether two readings come to different conclusions."""
    return [f.status for f in a.findings] != [f.status for f in b.findings]


def _complete(statement: Statement, chosen: Candidate, verdict: Verdict) -> Verdict:
    """The verdict, unless lines need what the text does not give."""
    steps = steps_of(work(chosen.example), chosen.example)
    roles = {steps.facts[f.name].role for f in verdict.findings if f.name in steps.facts}
    problems = []
    if statement.rate is None and roles & set(UPDATED):
        problems.append(
            Problem("missing", "no learning rate is given", "write learning rate = 0.1")
        )
    if not statement.targets and roles - {"net", "out"}:
        problems.append(Problem("missing", "no target is given", "write target = 1"))
    if problems:
        return replace(verdict, findings=(), problems=tuple(problems))
    return verdict


# Sizes


def sizes_of(statement: Statement) -> tuple[tuple[int, ...], tuple[Problem, ...]]:
    """Layer sizes, as stated or as the numbers imply; and what is missing or contradicts."""
    inputs, targets = len(statement.inputs), len(statement.targets)
    sizes = statement.sizes or _implied(statement, inputs, targets or 1)
    problems: list[Problem] = []
    if not inputs:
        problems.append(
            Problem("missing", "the inputs were not recognized", "write x1 = 0.5, x2 = 0.1")
        )
    if not statement.weights and not statement.tables:
        problems.append(
            Problem("missing", "the weights were not recognized", "write w1 = 0.15, w2 = 0.2")
        )
    if problems:
        return sizes, tuple(problems)
    if not sizes:
        count = len(statement.weights)
        what = f"the sizes of the layers were not recognized, and {count} weights do not tell them"
        return sizes, (Problem("missing", what, "write 2-2-1 network"),)
    if inputs != sizes[0]:
        what = f"{inputs} inputs are given for an input layer of {sizes[0]}"
        problems.append(Problem("contradiction", what))
    if targets and targets != sizes[-1]:
        what = f"{targets} targets are given for {sizes[-1]} outputs"
        problems.append(Problem("contradiction", what))
    problems += _counted(statement, sizes)
    return sizes, tuple(problems)


def _counted(statement: Statement, sizes: tuple[int, ...]) -> Iterator[Problem]:
    """Whether there are as many weights as connections."""
    if statement.tables:
        return
    need = [a * b for a, b in pairwise(sizes)]
    have = len(statement.weights)
    if have == sum(need):
        return
    if all(g.layer for g in statement.weights) and len(need) == 2:
        for words, layer, count, (a, b) in (
            ("hidden", 1, need[0], sizes[0:2]),
            ("output", 2, need[1], sizes[1:3]),
        ):
            own = sum((g.layer if g.layer > 0 else 2) == layer for g in statement.weights)
            if own != count:
                kind = "missing" if own < count else "contradiction"
                what = (
                    f"{own} {_plural(own, 'weight')} into the {words} layer {_is(own)} given; "
                    f"{a} neurons before it and {b} in it have {count} {_plural(count, 'connection')}"
                )
                yield Problem(kind, what)
        return
    kind = "missing" if have < sum(need) else "contradiction"
    shape = "-".join(map(str, sizes))
    what = f"{have} weights are given; a {shape} network has {sum(need)} connections"
    if gaps := _gaps([g.name for g in statement.weights]):
        what += f"; {', '.join(gaps)} {_is(len(gaps))} not among them"
    yield Problem(kind, what)


def _gaps(names: list[str]) -> list[str]:
    """Names that a numbering leaves out: w3 of w1, w2, w4."""
    found = [re.fullmatch(r"([A-Za-z]+)(\d+)", name) for name in names]
    numbers = {(m[1], int(m[2])) for m in found if m}
    return [
        f"{head}{k}"
        for head in dict.fromkeys(head for head, _ in numbers)
        for k in range(1, max(n for h, n in numbers if h == head))
        if (head, k) not in numbers and max(n for h, n in numbers if h == head) < 10
    ]


def _plural(n: int, word: str) -> str:
    return word if n == 1 else f"{word}s"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _implied(statement: Statement, inputs: int, outputs: int) -> tuple[int, ...]:
    """Sizes that the number of weights leaves no doubt about, or that names of neurons say."""
    if statement.tables:
        return _implied_by_tables(statement, inputs, outputs)
    weights = len(statement.weights)
    labels = {
        int(found[1])
        for line in statement.calculation
        for found in re.finditer(r"\bh_?\{?(\d+)|(?<=[_ ])h(\d)", line.label)
        if found[1]
    }
    if labels:
        hidden = max(labels)
        return (inputs, hidden, outputs) if inputs else ()
    if weights == inputs * outputs:
        return inputs, outputs
    hidden, rest = divmod(weights, inputs + outputs) if inputs else (0, 1)
    return (inputs, hidden, outputs) if hidden and not rest else ()


def _implied_by_tables(statement: Statement, inputs: int, outputs: int) -> tuple[int, ...]:
    shapes = [(len(t), len(t[0])) for _, t in sorted(statement.tables.items())]
    if statement.weights:  # the last one is a list
        shapes.append((len(statement.weights) // outputs, outputs))
    sizes = [inputs]
    for a, b in shapes:
        if a == sizes[-1] == b:
            sizes.append(a)
        elif sizes[-1] in (a, b):
            sizes.append(b if a == sizes[-1] else a)
        else:
            return ()
    return tuple(sizes) if sizes[-1] == outputs else ()


# Readings of a complete statement


def candidates(statement: Statement, sizes: tuple[int, ...], title: str) -> Iterator[Candidate]:
    """Every reading of a statement: of the names, the biases, the activation, the error."""
    places = Places(sizes, [g.name for g in statement.inputs])
    seen = set()
    for placement in placements(statement, places):
        for bias_words, bias_rows, shared in biases(statement, places):
            for activations, act_words in activations_of(statement, sizes):
                for loss, loss_words in losses_of(statement, activations[-1]):
                    if loss in ("cross_entropy", "binary_cross_entropy"):
                        activations = [*activations[:-1], "identity"]  # it takes the sums
                    for trained in trainings_of(statement, bias_rows):
                        example = built(
                            statement,
                            sizes,
                            title,
                            placement.rows,
                            bias_rows,
                            shared,
                            activations,
                            loss,
                            trained,
                        )
                        key = repr(
                            (example.layers, sorted(example.values.items()), loss, example.trained)
                        )
                        if key in seen:
                            continue
                        seen.add(key)
                        words = [f"weights are read {placement.words}"]
                        words += [f"biases: {bias_words}"] * bool(bias_words)
                        words += [w for w in (act_words, loss_words) if w]
                        if trained == "weights":
                            words.append("biases are not updated")
                        yield Candidate(example, tuple(words))


def activations_of(statement: Statement, sizes: tuple[int, ...]) -> list[tuple[list[str], str]]:
    """Activations of the layers, as said, or what the calculation can decide."""
    hidden = statement.hidden_activation
    output = statement.output_activation
    output = "identity" if output == "softmax" else output
    deep = len(sizes) - 2
    if not hidden and not output:
        return [(["identity"] * (deep + 1), "no activation is named: none is used")]
    if not hidden:
        hidden = output if deep == 0 else "identity"
    if output or deep == 0:
        return [([hidden] * deep + [output or hidden], "")]
    if hidden == "identity":
        return [([hidden] * (deep + 1), "")]
    return [
        ([hidden] * (deep + 1), ""),
        ([hidden] * deep + ["identity"], "the output has no activation"),
    ]


def losses_of(statement: Statement, output: str) -> list[tuple[str, str]]:
    """The error, as its formula says it, else as it is named."""
    if statement.loss == "cross_entropy":
        many = len(statement.targets) > 1
        return [("cross_entropy" if many else "binary_cross_entropy", "")]
    if statement.loss == "half_squared_error":
        named = statement.loss_named
        note = "the error is called a mean squared error; its formula is half the squared error"
        return [("half_squared_error", note if named == "mse" else "")]
    if statement.loss == "mse":
        if re.search(r"=\s*\(?[A-Za-z\d]+[^=\n]*\)\s*(?:\^\s*2|²)", statement.text):
            return [("mse", "")]  # its formula stands there, without 1/2
        return [
            ("mse", ""),
            ("half_squared_error", "the mean squared error is taken with the factor 1/2"),
        ]
    if len(statement.targets) == 1 and _PLAIN_SQUARE.search(plain(statement.text)):
        return [("mse", "")]
    return [
        ("half_squared_error", "the error is taken as 1/2 (t - y)^2"),
        ("mse", "the error is taken as the mean of the squares"),
    ]


def trainings_of(statement: Statement, bias_rows: list[list[Given | None]]) -> tuple[str, ...]:
    """Whether biases are trained: seen from what is claimed after the update."""
    if not any(b for row in bias_rows for b in row):
        return ("all",)
    again = r"\bafter\b|new error|\bagain\b|second (?:pass|forward)|next (?:pass|forward|iteration)"
    fixed = r"bias(?:es)?\b[^.\n]{0,30}\b(?:not|fixed|kept|constant)\b"
    if re.search(fixed, statement.text, re.IGNORECASE):
        return ("weights",)
    return ("all", "weights") if re.search(again, statement.text, re.IGNORECASE) else ("all",)


def _own_name(given: Given, k: int, used: list[str], layered: list[tuple[str, int]]) -> str:
    """A weight's name in the text, with its layer where others are called the same; else nothing."""
    if not given.name.isidentifier():
        return ""
    if used.count(given.name) == 1:
        return given.name
    return f"{given.name}_{k}" if layered.count((given.name, k)) == 1 else ""


def built(
    statement: Statement,
    sizes: tuple[int, ...],
    title: str,
    rows: Rows,
    bias_rows: list[list[Given | None]],
    shared: bool,
    activations: list[str],
    loss: str,
    trained: str,
) -> Example:
    """The example of one reading."""
    inputs = _input_names(statement, sizes[0])
    values: dict[str, float] = {}
    layers: list[Layer] = []
    before = inputs
    used = [g.name for layer in rows for unit in layer for g in unit]
    layered = [(g.name, k) for k, layer in enumerate(rows, 1) for unit in layer for g in unit]
    given_biases = {id(b): b.name for row in bias_rows for b in row if b is not None}
    for k, n in enumerate(sizes[1:], 1):
        last = k == len(sizes) - 1
        neurons = [
            f"o{j}" if last else f"h{j}" if len(sizes) == 3 else f"h{k}_{j}"
            for j in range(1, n + 1)
        ]
        names = []
        for neuron, unit in zip(neurons, rows[k - 1], strict=True):
            row = []
            for source, given in zip(before, unit, strict=True):
                name = _own_name(given, k, used, layered) or f"w_{source}_{neuron}"
                values[name] = given.value
                row.append(name)
            names.append(tuple(row))
        bias_names = []
        for neuron, bias in zip(neurons, bias_rows[k - 1], strict=True):
            name = ABSENT
            if bias is not None:
                alone = sum(b is bias for row in bias_rows for b in row) == 1
                alone = alone and list(given_biases.values()).count(bias.name) == 1
                name = (
                    bias.name if (shared or alone) and bias.name.isidentifier() else f"b_{neuron}"
                )
                if (
                    shared
                    and sum(b is not None and b.name == bias.name for b in map(_first, bias_rows))
                    > 1
                ):
                    name = f"b_layer{k}"
                values[name] = bias.value
            bias_names.append(name)
        layers.append(Layer(tuple(neurons), activations[k - 1], tuple(names), tuple(bias_names)))
        before = neurons
    targets = [g.value for g in statement.targets] or [0.0] * sizes[-1]
    found = Example(
        tuple(inputs),
        tuple(layers),
        values,
        np.array([[g.value for g in statement.inputs]]),
        np.array([targets]),
        loss,
        SGD(statement.rate if statement.rate else 1.0, momentum=statement.momentum or 0.0),
        title=title,
    )
    fixed = {b for layer in layers for b in layer.biases} if trained == "weights" else set()
    return replace(found, trained=tuple(n for n in found.names if n not in fixed))


def _first(row: list[Given | None]) -> Given | None:
    return row[0] if row else None


def _input_names(statement: Statement, count: int) -> list[str]:
    names = [g.name for g in statement.inputs]
    usable = all(n.isidentifier() for n in names) and len(set(names)) == count
    return names if usable else [f"x{k}" for k in range(1, count + 1)]


def _unplaced(statement: Statement, sizes: tuple[int, ...]) -> Problem:
    names = ", ".join(g.name for g in statement.weights[:12])
    shape = "-".join(map(str, sizes))
    return Problem(
        "missing",
        f"it was not recognized which neurons of the {shape} network the weights {names} connect",
        "write for each from where to where, for instance w1 = 0.15 (x1 -> h1)",
    )

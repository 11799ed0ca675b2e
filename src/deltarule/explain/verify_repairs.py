"""Honest repairs of an incomplete statement: each a complete example, worked out in full.

In: a statement that gives fewer weights than the network has connections. Out: the ways to complete it
that its own numbers allow, and the verdict on its lines under the one that they fit best. None of them
is called what the writer meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deltarule.explain.example import Example, Problem
from deltarule.explain.handwork import Line
from deltarule.explain.handwork_terms import Literal, Written, parts
from deltarule.explain.verify import Repair, Verdict, check
from deltarule.explain.verify_places import Places, Rows, biases
from deltarule.explain.verify_statement import Given, Statement
from deltarule.explain.verify_text import activations_of, built, losses_of
from deltarule.explain.working import work


def verify_incomplete(
    statement: Statement, sizes: tuple[int, ...], title: str, problems: tuple[Problem, ...]
) -> Verdict:
    """The verdict on a text without a complete network: problems, repairs, lines under the first."""
    examples = list(_repaired(statement, sizes, title)) if sizes and statement.inputs else []
    lines = statement.calculation
    problems = (*problems, *unused(statement, sizes))
    if not examples or not any(line.numeric for line in lines):
        return Verdict(title, (), problems)
    judged: list[tuple[bool, bool, int, int, str, Example, Verdict]] = []
    for words, example, complete in examples:
        verdict = check(example, lines)
        misread = sum(_misread(f.reasons) + 2 * (f.status == "unknown") for f in verdict.findings)
        judged.append(
            (
                not complete,
                "of its own line" not in words,
                misread,
                len(judged),
                words,
                example,
                verdict,
            )
        )
    judged.sort(key=lambda entry: entry[:4])
    repairs = tuple(Repair(words, example, _numbers(example)) for *_, words, example, _ in judged)
    *_, words, example, verdict = judged[0]
    note = f"the lines are judged with this completion, the first of the repairs: {words}"
    _, naming = losses_of(statement, "")[0]
    notes = (note, *([naming] if naming else []), *verdict.notes)
    return replace(verdict, problems=problems, repairs=repairs, notes=notes)


def _misread(reasons: tuple[object, ...]) -> int:
    from deltarule.explain.verify_mistakes import ARITHMETIC

    return sum(getattr(reason, "kind", "") != ARITHMETIC for reason in reasons)


def _numbers(example: Example) -> tuple[tuple[str, float], ...]:
    step = work(example).steps[0]
    shown = [q for q in step if q.role in ("out", "loss") and not q.aside]
    return tuple((q.name, q.value) for q in shown)


def unused(statement: Statement, sizes: tuple[int, ...]) -> Iterator[Problem]:
    """Inputs that no line of the calculation uses."""
    forward = [line for line in statement.calculation if len(line.numeric) > 1]
    numbers = {
        part.number.value
        for line in forward[: max(1, sum(sizes[1:]))]
        for segment in line.numeric[:1]
        for part in parts(segment.tree)  # type: ignore[arg-type]
        if isinstance(part, Literal)
    }
    for given in statement.inputs:
        if forward and given.value not in numbers:
            what = f"the input {given.name} = {given.value:g} is never used"
            yield Problem("contradiction", what)


def _repaired(
    statement: Statement, sizes: tuple[int, ...], title: str
) -> Iterator[tuple[str, Example, bool]]:
    """Completions of a network with one hidden layer, from its own numbers."""
    hidden = [g for g in statement.weights if g.layer == 1]
    output = [g for g in statement.weights if g.layer in (-1, 2)]
    if len(sizes) != 3 or not hidden or not output or len(statement.inputs) != sizes[0]:
        return
    if len(hidden) > sizes[0] or len(output) > sizes[1] or sizes[2] != 1:
        return
    wide, many = sizes[0], sizes[1]
    zero = Given("", 0.0, 0)
    row = [*hidden, *[zero] * (wide - len(hidden))]
    outs = [output[j % len(output)] for j in range(many)]
    filled = f"weights that are not given are 0; output weights {_list(outs)}"
    in_lines = _rows_in_lines(statement, wide, many)
    if in_lines and [[g.value for g in r] for r in in_lines] != [[g.value for g in row]] * many:
        words = f"every hidden neuron has the weights of its own line, {_lists(in_lines)}; {filled}"
        yield _completed(statement, sizes, title, [in_lines, [outs]], words)
    words = f"all hidden neurons have the given weights, {_lists([row] * many)}; {filled}"
    yield _completed(statement, sizes, title, [[row] * many, [outs]], words)
    if len(hidden) < wide or len(output) < many:
        short = (len(hidden), len(output), 1)
        shape = "-".join(map(str, short))
        words = f"only what has weights is kept, a {shape} network"
        less = replace(statement, inputs=statement.inputs[: len(hidden)])
        yield (
            *_completed(less, short, title, [[hidden] * len(output), [output]], words)[:2],
            False,
        )


def _completed(
    statement: Statement, sizes: tuple[int, ...], title: str, rows: Rows, words: str
) -> tuple[str, Example, bool]:
    places = Places(sizes, [g.name for g in statement.inputs])
    # numbers that stand in several places are weights of their own
    rows = [[[Given("", g.value, g.line) for g in unit] for unit in layer] for layer in rows]
    own = [found for found in biases(statement, places) if not found[2]] or [
        ("", [[None] * n for n in sizes[1:]], False)
    ]
    activations, _ = activations_of(statement, sizes)[0]
    loss, _ = losses_of(statement, activations[-1])[0]
    return (
        words,
        built(statement, sizes, title, rows, own[0][1], False, activations, loss, "all"),
        True,
    )


def _rows_in_lines(statement: Statement, wide: int, many: int) -> list[list[Given]]:
    """The weights that the lines of the hidden neurons use, by the inputs that they multiply."""
    inputs = {g.value: k for k, g in enumerate(statement.inputs)}
    rows = []
    for line in statement.calculation:
        pairs = _products(line)
        found = {}
        for a, b in pairs:
            for x, w in ((a, b), (b, a)):
                if x in inputs and inputs[x] not in found:
                    found[inputs[x]] = w
                    break
        if pairs and len(found) == len(pairs):
            rows.append([Given("", found.get(k, 0.0), line.number) for k in range(wide)])
        if len(rows) == many:
            return rows
    return []


def _products(line: Line) -> list[tuple[float, float]]:
    """Products of two numbers, of a line that adds them up."""
    if not line.numeric or line.numeric[0].tree is None:
        return []
    tree = line.numeric[0].tree
    terms = tree.args if isinstance(tree, Written) and tree.op == "+" else (tree,)
    out = []
    for term in terms:
        if isinstance(term, Written) and term.op == "*" and len(term.args) == 2:
            a, b = term.args
            if isinstance(a, Literal) and isinstance(b, Literal):
                out.append((a.number.value, b.number.value))
                continue
        if not isinstance(term, Literal):  # a bias
            return []
    return out


def _list(row: list[Given]) -> str:
    return ", ".join(f"{g.value:g}" for g in row)


def _lists(rows: list[list[Given]]) -> str:
    return ", ".join(f"({_list(row)})" for row in rows)

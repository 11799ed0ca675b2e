"""The mistakes that people make in a calculation by hand, as changes of a formula.

In: a quantity with its formula. Out: every formula that a known mistake would have put in its place. A
mistake knows no network and no number: it drops a term, turns a sign, takes one quantity for another of
its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from deltarule.explain.term import (
    ONE,
    Call,
    Number,
    Product,
    Sum,
    Symbol,
    Term,
    add,
    children,
    exchanged,
    multiply,
    negative,
    symbols,
)
from deltarule.explain.verify_steps import Fact, Steps
from deltarule.program import ops

ARITHMETIC = "arithmetic"
SIGN = "sign"
FACTOR = "wrong factor"
ERROR = "multiplied by the error instead of its derivative"
EARLY = "updated weights used too early"
BIAS = "bias left out"
TERM = "term left out"
TRANSPOSED = "transposed weights"
HALF = "half or mean mistaken"
INPUT = "wrong input used"
NEURON = "wrong neuron's value used"
WEIGHT = "wrong weight used"
WRONG_BIAS = "wrong bias used"
TARGET = "wrong target used"
GRADIENT = "wrong gradient used"
DERIVATIVE = "activation's derivative left out"
OTHER_DERIVATIVE = "wrong derivative of the activation"
ACTIVATION = "activation left out"
OTHER_ACTIVATION = "wrong activation"
RATE = "learning rate mistaken"
COPY = "number copied wrongly"
QUANTITY = "another quantity's value"

ACTIVATIONS: dict[str, Callable[[Term], Term]] = {
    "logistic": lambda z: Call(ops.sigmoid, (z,)),
    "tanh": lambda z: Call(ops.tanh, (z,)),
    "relu": lambda z: Call(ops.relu, (z,)),
}
NAMES = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
BY_ROLE = {
    "input": INPUT, "weight": WEIGHT, "out": NEURON, "net": NEURON, "delta": NEURON, "target": TARGET,
    "bias": WRONG_BIAS, "gradient": GRADIENT, "dE_dout": NEURON, "dout_dnet": NEURON, "new": WEIGHT,
}  # fmt: skip
MANY = 60  # quantities of a role, from which on only those of the same layer are exchanged
BACKWARD = ("delta", "dE_dout", "dout_dnet", "gradient")
LOSSES = ("loss", "loss_part")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One changed formula.

    Attributes
    ----------
    kind : str
        In the words above.
    words : str
        What exactly: "b1 is left out".
    at : str
        Whose formula is changed.
    formula : Term
        The changed one.
    cost : float
        How far-fetched; the least is believed.
    """

    kind: str
    words: str
    at: str
    formula: Term
    cost: float


Change = tuple[str, str, Term, float]
Rule = Callable[[Term], Iterator[Change]]


def mistakes(fact: Fact, steps: Steps) -> Iterator[Mistake]:
    """Every formula that a mistake may have put in the place of a quantity's own."""
    if fact.term is None:
        return
    seen = {fact.term}
    for rule in RULES:
        for kind, words, formula, cost in rule(fact, steps):
            if formula not in seen:
                seen.add(formula)
                yield Mistake(kind, words, fact.name, formula, cost)


def inside(term: Term, rule: Rule) -> Iterator[Change]:
    """The term with one place changed by a rule, for every place."""
    yield from rule(term)
    for i, child in enumerate(children(term)):
        for kind, words, new, cost in inside(child, rule):
            yield kind, words, _with(term, i, new), cost


def _with(term: Term, i: int, new: Term) -> Term:
    parts = list(children(term))
    parts[i] = new
    if isinstance(term, Sum):
        return add(*parts)
    if isinstance(term, Product):
        return multiply(*parts)
    assert isinstance(term, Call)
    return Call(term.primitive, tuple(parts))


def said(term: Term) -> str:
    """A term in a few words."""
    if isinstance(term, Number):
        return f"{term.value:g}"
    if isinstance(term, Symbol):
        return term.name
    if isinstance(term, Product):
        if term.factors[0] == Number(-1.0):
            return "-" + said(multiply(*term.factors[1:]))
        return "*".join(f"({said(f)})" if isinstance(f, Sum) else said(f) for f in term.factors)
    if isinstance(term, Sum):
        return " + ".join(map(said, term.terms)).replace("+ -", "- ")
    return (
        f"{NAMES.get(term.primitive.name, term.primitive.name)}({', '.join(map(said, term.args))})"
    )


# Signs


def signs(fact: Fact, steps: Steps) -> Iterator[Change]:
    """The whole turned, one term of a sum turned, an exponent turned."""
    assert fact.term is not None

    def turned(term: Term) -> Iterator[Change]:
        if isinstance(term, Sum):
            for i, part in enumerate(term.terms):
                others = term.terms[:i] + term.terms[i + 1 :]
                new = add(*others[:i], negative(part), *others[i:])
                yield SIGN, f"the sign of {said(_positive(part))} is turned", new, 1.4
        if isinstance(term, Call) and term.primitive in (ops.exp, ops.sigmoid):
            new = Call(term.primitive, (negative(term.args[0]),))
            yield SIGN, "the sign in the exponent is turned", new, 1.5

    yield SIGN, "the sign is turned", negative(fact.term), 1.0
    yield from inside(fact.term, turned)


def _positive(term: Term) -> Term:
    if isinstance(term, Product) and term.factors[0] == Number(-1.0):
        return multiply(*term.factors[1:])
    return term


# Left out


def left_out(fact: Fact, steps: Steps) -> Iterator[Change]:
    """A term of a sum, a factor of a product, a function."""
    assert fact.term is not None

    def shorter(term: Term) -> Iterator[Change]:
        if isinstance(term, Sum):
            for i, part in enumerate(term.terms):
                rest = add(*term.terms[:i], *term.terms[i + 1 :])
                kind, cost = _of_a_term(part, fact, steps)
                yield kind, f"{said(_positive(part))} is left out", rest, cost - 0.01 * i
        elif isinstance(term, Product):
            yield from _factors_left_out(term, fact, steps)
        elif isinstance(term, Call) and len(term.args) == 1:
            name = NAMES.get(term.primitive.name)
            kind = ACTIVATION if name else FACTOR
            yield kind, f"{name or term.primitive.name} is left out", term.args[0], 1.2

    yield from inside(fact.term, shorter)


def _of_a_term(part: Term, fact: Fact, steps: Steps) -> tuple[str, float]:
    roles = {steps.facts[name].role for name in symbols(part)}
    return (BIAS, 1.0) if roles == {"bias"} else (TERM, 1.8)


def _factors_left_out(term: Product, fact: Fact, steps: Steps) -> Iterator[Change]:
    derivative = derivative_of_activation(term, fact, steps)
    if derivative and len(derivative) < len(term.factors):
        rest = multiply(*(f for f in term.factors if f not in derivative))
        words = f"the activation's derivative {said(multiply(*derivative))} is left out"
        if symbols(rest):
            yield DERIVATIVE, words, rest, 1.0
    for i, factor in enumerate(term.factors):
        rest = multiply(*term.factors[:i], *term.factors[i + 1 :])
        if isinstance(factor, Number):
            if factor.value == -1:
                continue
            if factor.value < 0:
                rest = negative(rest)
            kind = HALF if fact.role in (*LOSSES, *BACKWARD) else FACTOR
            yield kind, f"the factor {abs(factor.value):g} is left out", rest, 1.1
            continue
        role = steps.facts[factor.name].role if isinstance(factor, Symbol) else ""
        if factor in derivative and len(derivative) > 1:
            words = f"{said(factor)} is missing in the activation's derivative"
            yield OTHER_DERIVATIVE, words, rest, 1.5
        elif role == "rate":
            yield RATE, f"the learning rate {said(factor)} is left out", rest, 1.0
        elif role == "dout_dnet":
            yield DERIVATIVE, f"the activation's derivative {said(factor)} is left out", rest, 1.0
        elif term.factors.count(factor) > 1:
            yield FACTOR, f"{said(factor)} is not squared", rest, 1.5
        elif len(term.factors) > 1 + isinstance(term.factors[0], Number):
            yield FACTOR, f"the factor {said(factor)} is left out", rest, 1.7


def derivative_of_activation(term: Product, fact: Fact, steps: Steps) -> list[Term]:
    """The factors of a delta that are the derivative of its own neuron's activation."""
    if fact.role not in ("delta", "gradient"):
        return []
    own = {
        other.name
        for other in steps.facts.values()
        if other.role in ("net", "out") and (other.layer, other.unit) == (fact.layer, fact.unit)
    }
    if fact.role == "gradient" and own.isdisjoint(symbols(term)):
        return []
    return [f for f in term.factors if symbols(f) and own.issuperset(symbols(f))]


# Factors too many


def factors(fact: Fact, steps: Steps) -> Iterator[Change]:
    """Twice or half of it, the mean in the place of the sum, the learning rate too early or twice."""
    term = fact.term
    assert term is not None
    kind = HALF if fact.role in (*LOSSES, *BACKWARD) else FACTOR
    counts = sorted({n for n in (len(steps.of("target")), 2) if n > 1})
    for n in counts:
        cost = (1.2 if n == 2 else 1.6) + (0.9 if kind == FACTOR else 0.0)
        yield kind, f"multiplied by {n}", multiply(Number(n), term), cost
        yield kind, f"divided by {n}", multiply(Number(1 / n), term), cost
    for rate in steps.of("rate"):
        if fact.role in BACKWARD:
            words = f"the learning rate {rate.name} is in it already"
            yield RATE, words, multiply(Symbol(rate.name), term), 1.1
        if fact.role == "new":
            twice = exchanged(term, {Symbol(rate.name): multiply(*[Symbol(rate.name)] * 2)})
            yield RATE, f"the learning rate {rate.name} is applied twice", twice, 1.5
            halved = exchanged(term, {Symbol(rate.name): Call(ops.div, (ONE, Symbol(rate.name)))})
            yield RATE, f"divided by the learning rate {rate.name}", halved, 1.8


# One quantity for another


def instead(fact: Fact, steps: Steps) -> Iterator[Change]:
    """Another quantity of the same kind, one at a time."""
    assert fact.term is not None
    for name in symbols(fact.term):
        used = steps.facts[name]
        if used.role not in BY_ROLE:
            continue
        others = steps.of(used.role, step=used.step)
        if len(others) > MANY:
            others = steps.of(used.role, step=used.step, layer=used.layer)
        for other in others:
            if other.name == name or steps.uses(other.name, fact.name) or other is fact:
                continue
            kind, cost = BY_ROLE[used.role], 1.5 + 0.6 * (other.layer != used.layer)
            cost += 0.5 * (other.value == 0)  # then a term left out says the same
            crossed = (other.unit, other.source) == (used.source, used.unit)
            if used.role == "weight" and other.layer == used.layer and crossed:
                kind = TRANSPOSED
            words = f"{other.name} stands in the place of {name}"
            yield kind, words, exchanged(fact.term, {Symbol(name): Symbol(other.name)}), cost


def in_another_form(fact: Fact, steps: Steps) -> Iterator[Change]:
    """The sum in the place of the activation, the error in the place of its derivative, and the like."""
    assert fact.term is not None
    for name in symbols(fact.term):
        used = steps.facts[name]
        for role, kind, words, cost in FORMS.get(used.role, ()):
            for other in steps.of(role, step=used.step):
                here = (other.layer, other.unit) == (used.layer, used.unit)
                if (here or role == "loss") and not steps.uses(other.name, fact.name):
                    if other is fact or (role == "new" and other.parameter != name):
                        continue
                    said_so = words.format(new=other.name, old=name)
                    for term in _forms(other):
                        yield kind, said_so, exchanged(fact.term, {Symbol(name): term}), cost


def _forms(fact: Fact) -> Iterator[Term]:
    """A quantity, and an error also as its formula, which a writer may have put in again."""
    yield Symbol(fact.name)
    if fact.role in LOSSES and fact.term is not None:
        yield fact.term


FORMS: dict[str, tuple[tuple[str, str, str, float], ...]] = {
    "out": (("net", ACTIVATION, "the sum {new} stands in the place of {old}", 1.4),),
    "net": (("out", OTHER_ACTIVATION, "{new} stands in the place of the sum {old}", 1.6),),
    "delta": (
        ("dE_dout", DERIVATIVE, "{new} stands in the place of {old}", 1.1),
        ("loss", ERROR, "the error {new} stands in the place of {old}", 1.3),
    ),
    "dE_dout": (
        ("loss_part", ERROR, "the error {new} stands in the place of its derivative {old}", 1.0),
        ("loss", ERROR, "the error {new} stands in the place of its derivative {old}", 1.0),
    ),
    "weight": (("new", EARLY, "{new} stands in the place of {old}", 1.3),),
    "bias": (("new", EARLY, "{new} stands in the place of {old}", 1.6),),
    "gradient": (("delta", FACTOR, "{new} stands in the place of the gradient {old}", 1.5),),
}


def weights_together(fact: Fact, steps: Steps) -> Iterator[Change]:
    """All weights of a formula after their update; or read along the other side of their table."""
    assert fact.term is not None
    used = [steps.facts[name] for name in symbols(fact.term) if steps.facts[name].role == "weight"]
    if not used or fact.role == "new":
        return
    updated: dict[Term, Term] = {}
    for new in steps.of("new"):
        if not steps.uses(new.name, fact.name) and new.step == fact.step:
            updated[Symbol(new.parameter)] = Symbol(new.name)
    if all(Symbol(weight.name) in updated for weight in used):
        words = "weights after their update: " + ", ".join(
            f"{said(updated[Symbol(weight.name)])}" for weight in used
        )
        yield EARLY, words, exchanged(fact.term, updated), 0.9
    crossed: dict[Term, Term] = {}
    for weight in used:
        places = {"layer": weight.layer, "unit": weight.source, "source": weight.unit}
        for other in steps.of("weight", **places):
            crossed[Symbol(weight.name)] = Symbol(other.name)
    if len(crossed) == len(used) > 1:
        words = "the weights are read along the other side of their table"
        yield TRANSPOSED, words, exchanged(fact.term, crossed), 1.0
    inputs = [n for n in symbols(fact.term) if steps.facts[n].role in ("input", "out", "delta")]
    for a, b in pairwise(inputs):
        swapped: dict[Term, Term] = {Symbol(a): Symbol(b), Symbol(b): Symbol(a)}
        kind = BY_ROLE[steps.facts[a].role]
        yield kind, f"{a} and {b} are exchanged", exchanged(fact.term, swapped), 1.6


# The derivative of the error and of the activation


def derivatives(fact: Fact, steps: Steps) -> Iterator[Change]:
    """The error itself for its derivative; another derivative of the activation."""
    assert fact.term is not None
    difference = [
        part
        for part in _parts(fact.term)
        if isinstance(part, Sum)
        and {steps.facts[n].role for n in symbols(part)} >= {"target"}
        and fact.role in BACKWARD
    ]
    for part in difference:
        for loss in (*steps.of("loss_part", step=fact.step), *steps.of("loss", step=fact.step)):
            if loss.role == "loss_part" and loss.unit != fact.unit:
                continue
            words = f"the error {loss.name} stands in the place of its derivative {said(part)}"
            for term in _forms(loss):
                yield ERROR, words, exchanged(fact.term, {part: term}), 0.9
                yield ERROR, words, exchanged(fact.term, {part: negative(term)}), 0.95
        yield (
            ERROR,
            f"{said(part)} is squared",
            exchanged(fact.term, {part: multiply(part, part)}),
            1.6,
        )
    term = fact.term if isinstance(fact.term, Product) else Product((fact.term,))
    own = derivative_of_activation(term, fact, steps)
    if fact.role in ("delta", "dE_dout") and difference:
        for loss in steps.of("loss", step=fact.step):
            for error in _forms(loss):
                words = f"the error {loss.name} stands in the place of its derivative"
                yield ERROR, words, multiply(error, *own), 1.0
    if own:
        rest = multiply(*(f for f in term.factors if f not in own))
        yield from _other_derivatives(own, rest, fact, steps)


def _other_derivatives(own: list[Term], rest: Term, fact: Fact, steps: Steps) -> Iterator[Change]:
    places = {"layer": fact.layer, "unit": fact.unit, "step": fact.step}
    outs, nets = steps.of("out", **places), steps.of("net", **places)
    values = [Symbol(f.name) for f in (*outs, *nets)]
    for value in values:
        one_minus = add(ONE, negative(value))
        forms = {
            "{y}(1 - {y})": multiply(value, one_minus),
            "1 - {y}^2": add(ONE, negative(multiply(value, value))),
            "1 - {y}": one_minus,
            "{y}": value,
            "{y}^2(1 - {y})": multiply(value, value, one_minus),
        }
        if value.name in {n.name for n in nets} and outs:
            through = Call(ops.sigmoid, (Symbol(outs[0].name),))
            forms["the derivative at logistic({y})"] = multiply(
                through, add(ONE, negative(through))
            )
        for words, form in forms.items():
            said_so = f"{words.format(y=value.name)} stands in the place of {said(multiply(*own))}"
            yield OTHER_DERIVATIVE, said_so, multiply(form, rest), 1.6


def activations(fact: Fact, steps: Steps) -> Iterator[Change]:
    """Another activation."""
    assert fact.term is not None
    if fact.role != "out":
        return
    nets = [name for name in symbols(fact.term) if steps.facts[name].role == "net"]
    for name in nets:
        for activation, made in ACTIVATIONS.items():
            words = f"{activation} of {name}"
            yield OTHER_ACTIVATION, words, made(Symbol(name)), 1.5
        yield ACTIVATION, f"the sum {name} is taken as it is", Symbol(name), 1.0
    if len(nets) > 1:  # softmax
        own = [n for n in nets if steps.facts[n].unit == fact.unit] or nets[:1]
        words = "not divided by the sum over all outputs"
        yield FACTOR, words, Call(ops.exp, (Symbol(own[0]),)), 1.4


def _parts(term: Term) -> Iterator[Term]:
    yield term
    for child in children(term):
        yield from _parts(child)


RULES: tuple[Callable[[Fact, Steps], Iterator[Change]], ...] = (
    weights_together,
    derivatives,
    left_out,
    signs,
    activations,
    in_another_form,
    factors,
    instead,
)

"""From a worked step to facts: the record's quantities, and those that people write down besides.

In: ``Worked`` and its example. Out: ``Steps``. A formula restated here in the words of a textbook
(softmax, the derivative of an activation, a change of a weight) must give the record's number, or it is
not used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace as but

from deltarule.explain.example import Example
from deltarule.explain.order import parts_first
from deltarule.explain.record import Quantity, Worked
from deltarule.explain.term import (
    Call,
    Number,
    Product,
    Symbol,
    Term,
    add,
    exchanged,
    multiply,
    negative,
    symbols,
)
from deltarule.explain.verify_steps import Fact, Steps, computed
from deltarule.program import ops

Targets = dict[tuple[int, int], str]  # unit and row, from 1, to the name of what it should be


def steps_of(worked: Worked, example: Example | None = None) -> Steps:
    """Return everything that a line may be about."""
    facts: dict[str, Fact] = {}
    for number, step in enumerate(worked.steps, 1):
        here: dict[str, Fact] = {}
        for quantity in step:
            fact = _fact(quantity, number)
            if quantity.phase == "given" and number > 1:
                fact = _handed_on(fact, quantity.name, number, facts)
            here[fact.name] = fact
        facts |= here
        for extra in [*_restated(facts, here, number)]:
            facts.setdefault(extra.name, extra)
    if example is not None and example.loss in ("cross_entropy", "binary_cross_entropy"):
        facts = _with_probabilities(facts, example.loss)
    return Steps(_in_order(facts))


def _called(name: str, number: int) -> str:
    return name if number == 1 else f"{name}@{number}"


def _fact(q: Quantity, number: int) -> Fact:
    """A quantity with the names of its own step."""
    term = q.term
    if term is not None and number > 1:
        renamed: dict[Term, Term] = {Symbol(n): Symbol(_called(n, number)) for n in symbols(term)}
        term = exchanged(term, renamed)
    role = q.role
    if (role, q.name) == ("setting", "lr"):
        role = "rate"
    elif role == "memory":
        role = "setting"
    elif role == "partial" and q.name.startswith("dout_"):
        role = "dout_dnet"
    step = 2 * number - (q.phase != "error after")
    parameter = _called(q.parameter, number) if q.parameter else ""
    return Fact(
        _called(q.name, number),
        q.value,
        term,
        role,
        q.layer,
        q.unit,
        q.source,
        parameter,
        step,
        q.row,
    )


def _handed_on(fact: Fact, name: str, number: int, facts: dict[str, Fact]) -> Fact:
    """What a later step starts from is what the step before it came to."""
    before = _called(f"{name}_new", number - 1)
    return but(fact, term=Symbol(before)) if before in facts else fact


def _in_order(facts: dict[str, Fact]) -> dict[str, Fact]:
    """Facts after those that they name."""
    done: dict[str, Fact] = {}

    def parts(name: str) -> tuple[str, ...]:
        term = facts[name].term
        return symbols(term) if term else ()

    for name in parts_first(facts, parts, done):
        done[name] = facts[name]
    return done


def _kept(facts: dict[str, Fact], fact: Fact) -> Iterator[Fact]:
    """The fact with the value of its formula, where that is a number."""
    assert fact.term is not None
    if all(name in facts for name in symbols(fact.term)):
        value = computed(fact.term, {name: facts[name].value for name in symbols(fact.term)})
        if math.isfinite(value):
            yield but(fact, value=value)


def _restated(facts: dict[str, Fact], here: dict[str, Fact], number: int) -> Iterator[Fact]:
    """Derivatives of activations, shares of an error, changes of weights, of the facts of one step."""
    for fact in here.values():
        if fact.term is None:
            continue
        if fact.role == "delta":
            yield from _derivative(facts, fact, number)
        if fact.role == "new":
            change = add(fact.term, negative(Symbol(fact.parameter)))
            name = _called(f"change_{fact.parameter.partition('@')[0]}", number)
            yield from _kept(facts, but(fact, name=name, role="change", term=change))
        if fact.role == "dE_dout" and "delta" in {facts[n].role for n in symbols(fact.term)}:
            yield from _shares(facts, fact, number)


def _derivative(facts: dict[str, Fact], delta: Fact, number: int) -> Iterator[Fact]:
    """dout/dnet: what the delta has besides dE/dout."""
    whole = [Symbol(n) for n in symbols(delta.term) if facts[n].role == "dE_dout"]  # type: ignore[arg-type]
    unit = delta.name.removeprefix("delta_")
    if isinstance(delta.term, Product) and len(whole) == 1 and whole[0] in delta.term.factors:
        rest = multiply(*(f for f in delta.term.factors if f != whole[0]))
        base = unit.partition("@")[0]
        name = _called(f"dout_{base}/dnet_{base}", number)
        if symbols(rest):
            yield from _kept(facts, but(delta, name=name, role="dout_dnet", term=rest))


def _shares(facts: dict[str, Fact], fact: Fact, number: int) -> Iterator[Fact]:
    """dE_o1/dout_h1: what comes back over one connection."""
    assert fact.term is not None
    parts = getattr(fact.term, "terms", (fact.term,))
    if len(parts) < 2:
        return
    hidden = fact.name.removeprefix("dE/d").partition("@")[0]
    for part in parts:
        deltas = [n for n in symbols(part) if facts[n].role == "delta"]
        if len(deltas) == 1:
            unit = deltas[0].removeprefix("delta_").partition("@")[0]
            name = _called(f"dE_{unit}/d{hidden}", number)
            source = facts[deltas[0]].unit
            yield from _kept(facts, but(fact, name=name, role="share", term=part, source=source))


def _with_probabilities(facts: dict[str, Fact], loss: str) -> dict[str, Fact]:
    """The outputs of a classifier as people write them: probabilities, made from the last sums."""
    found = dict(facts)
    last = max(fact.layer for fact in facts.values())
    places: dict[tuple[int, int], list[Fact]] = {}
    targets: Targets = {}
    losses: dict[int, str] = {}
    for fact in facts.values():
        if (fact.role, fact.layer) == ("out", last):
            places.setdefault((fact.step, fact.row), []).append(fact)
        elif fact.role == "target":
            targets.setdefault((fact.unit, fact.row), fact.name)
        elif fact.role == "loss":
            losses.setdefault(fact.step, fact.name)
    for (step, _), outs in sorted(places.items()):
        made = _probabilities(found, outs, loss)
        for p in made:
            _textbook_delta(found, p, targets)
        if step in losses:
            _textbook_loss(found, losses[step], made, targets, loss)
    return found


def _probabilities(found: dict[str, Fact], outs: list[Fact], loss: str) -> list[Fact]:
    made: list[Fact] = []
    logits = [Symbol(f.name) for f in outs]
    for out, z in zip(outs, logits, strict=True):
        found[out.name] = but(out, role="net")
        term: Term = Call(ops.sigmoid, (z,))
        if loss == "cross_entropy":
            above = [Call(ops.exp, (other,)) for other in logits]
            term = Call(ops.div, (Call(ops.exp, (z,)), add(*above)))
        name = out.name.replace("out_", "p_", 1)
        made += _kept(found, but(out, name=name, term=term))
    found.update({fact.name: fact for fact in made})
    return made


def _same(found: dict[str, Fact], name: str, term: Term) -> None:
    """Put a textbook's formula in the place of the traced one where it gives the same number."""
    value = computed(term, {n: found[n].value for n in symbols(term)})
    if name in found and abs(value - found[name].value) <= 1e-9 * max(1.0, abs(value)):
        found[name] = but(found[name], term=term)


def _textbook_delta(found: dict[str, Fact], p: Fact, targets: Targets) -> None:
    name = p.name.replace("p_", "delta_", 1)
    target = targets.get((p.unit, p.row))
    if target:
        _same(found, name, add(Symbol(p.name), negative(Symbol(target))))
    elif name in found:
        for one in (0.0, 1.0):  # class indices: the target is 1 for one of them
            _same(found, name, add(Symbol(p.name), Number(-one)))


def _textbook_loss(
    found: dict[str, Fact], name: str, made: list[Fact], targets: Targets, loss: str
) -> None:
    terms: list[Term] = []
    for p in made:
        log = Call(ops.log, (Symbol(p.name),))
        if (p.unit, p.row) not in targets:
            _same(found, name, negative(log))
            continue
        t = Symbol(targets[p.unit, p.row])
        terms.append(negative(multiply(t, log)))
        if loss == "binary_cross_entropy":
            other = Call(ops.log, (add(Number(1.0), negative(Symbol(p.name))),))
            terms.append(negative(multiply(add(Number(1.0), negative(t)), other)))
    if terms:
        _same(found, name, add(*terms))

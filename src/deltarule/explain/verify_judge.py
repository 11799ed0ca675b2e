"""One written line against the quantity that it is about.

In: a line, a quantity, and what the lines before it claim. Out: a finding: right, right but for
rounding, following from an earlier mistake, or wrong, with the kind of mistake and what it should be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal as OneOf

from deltarule.explain import verify_mistakes as kinds
from deltarule.explain.handwork import Line, Segment
from deltarule.explain.handwork_numbers import Printed
from deltarule.explain.handwork_terms import Literal, Tree, Written, literals, value
from deltarule.explain.term import symbols
from deltarule.explain.verify_claims import (
    claim_of,
    few_digits,
    half_of,
    last_place,
    number,
    slip_of_digits,
)
from deltarule.explain.verify_mistakes import Mistake, mistakes
from deltarule.explain.verify_rounding import NOWHERE, Interval, reach
from deltarule.explain.verify_steps import Steps

Status = OneOf["right", "rounded", "follows", "wrong", "unknown"]
GIVEN = ("input", "target", "weight", "bias", "rate", "setting")
MISPRINT = "printed terms do not give the result"
MOST_DEPTH = 4
MOST_TRIED = 2000  # changes of what a quantity is made of; its own are all tried


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a line says a quantity is."""

    value: float
    half: float
    text: str
    line: int
    sound: bool  # right, or right but for rounding
    origins: frozenset[int] = frozenset()  # lines whose mistake it carries
    label: str = ""

    def is_told(self, number: Printed) -> bool:
        """Whether a number printed in a later line is this one."""
        return abs(number.value - abs(self.value)) <= max(number.half, self.half) * 1.001


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is wrong with a line: its kind, what exactly, and the number that should stand there."""

    kind: str
    words: str
    should: float = math.nan


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said about one line.

    Attributes
    ----------
    line : Line
        The line.
    name : str
        The quantity, as the record calls it.
    sign : int
        -1 where the writer means its negative.
    status : str
        right, rounded (right but for rounding on the way), follows (from an earlier mistake), wrong.
    claimed : float
        The number claimed.
    exact : float
        What it is in a calculation without mistakes.
    here : float
        What it should be here, with the numbers printed before.
    printed : float
        What the printed terms give; NaN where there are none.
    reasons : tuple of Reason
        What is wrong, the meaning before the arithmetic.
    also : tuple of str
        Other kinds that explain the number as well.
    origins : frozenset of int
        Lines whose mistakes it carries on.
    """

    line: Line
    name: str
    sign: int
    status: Status
    claimed: float
    exact: float
    here: float
    printed: float = math.nan
    reasons: tuple[Reason, ...] = ()
    also: tuple[str, ...] = ()
    origins: frozenset[int] = frozenset()
    badness: float = 0.0

    @property
    def kind(self) -> str:
        """The kind of the mistake, in one phrase; empty where there is none."""
        return " and ".join(dict.fromkeys(reason.kind for reason in self.reasons))


@dataclass(slots=True)
class Judge:
    """Judges lines in their order, and remembers what they claim."""

    steps: Steps
    brief: bool = False  # whether lines are wrong, not why
    claims: dict[str, Claimed] = field(default_factory=dict)

    def remember(self, finding: Finding) -> None:
        """Later lines are read with this claim in mind."""
        last = claim_of(finding.line)
        if last is None:
            return
        sound = finding.status in ("right", "rounded")
        true = math.isclose(finding.claimed, finding.exact, rel_tol=1e-12, abs_tol=1e-14)
        half = 0.0 if true else half_of(last)
        origins = frozenset([finding.line.number]) if finding.status == "wrong" else finding.origins
        self.claims[finding.name] = Claimed(
            finding.sign * finding.claimed,
            half,
            last.text,
            finding.line.number,
            sound,
            origins,
            finding.line.label,
        )

    def judge(self, line: Line, name: str, sign: int = 1) -> Finding:
        """Return what is to be said about a line that is about this quantity."""
        claim = claim_of(line)
        assert claim is not None and claim.tree is not None
        result = self.interval(claim, name)
        terms = next((s for s in line.numeric[:-1] if not s.bare), None)
        if terms is None and not claim.bare:
            terms = claim
        printed = self.interval(terms, name) if terms else NOWHERE
        expected = self.expected(name, sign, terms)
        meant = printed if terms else result
        rounding = 0.0 if terms is None else last_place(claim) * (terms is claim)
        reading = next((e for e in expected if meant.meets(e.interval, rounding)), None)
        if reading is None and terms is None:
            extra = last_place(claim)
            reading = next((e for e in expected if result.meets(e.interval, extra)), None)
        broken = None if terms is None else self.broken(line)
        lands = next((e for e in expected if result.meets(e.interval)), None)
        exact, here = expected[0].interval.middle, expected[-1].interval.middle
        found = Finding(line, name, sign, "right", result.middle, exact, here, printed.middle)
        if reading and (broken is None or lands):
            return self.well(found, lands or reading, result, expected[0].interval)
        if reading:
            return self.wrong(found, self.arithmetic(found, broken, meant, here))
        if self.brief:
            return self.wrong(found, [Reason(kinds.ARITHMETIC, "")])
        if lands and terms and few_digits(claim) and self.explained(found, meant, terms, expected):
            lands = None  # a number of one or two digits lands anywhere
        if lands and terms:
            return self.wrong(found, [self.misprint(found, meant, terms, expected)])
        reasons, also = self.meaning(found, meant, terms, expected)
        if broken is not None:
            reasons += self.arithmetic(found, broken, meant, here)
        return self.wrong(found, reasons, also)

    def well(self, found: Finding, reading: Expected, result: Interval, exact: Interval) -> Finding:
        """A line with nothing wrong of its own."""
        if reading.origins and not result.meets(exact):
            return replace(found, status="follows", origins=reading.origins)
        return replace(found, status="right" if result.meets(exact) else "rounded")

    def wrong(self, found: Finding, reasons: list[Reason], also: tuple[str, ...] = ()) -> Finding:
        """A line with a mistake of its own."""
        return replace(found, status="wrong", reasons=tuple(reasons), also=also)

    def explained(
        self, found: Finding, meant: Interval, terms: Segment, expected: list[Expected]
    ) -> bool:
        """Whether a known mistake explains the printed terms."""
        return any(cost < 3.2 for cost, _ in self.explanations(found, meant, terms, expected))

    def misprint(
        self, found: Finding, meant: Interval, terms: Segment, expected: list[Expected]
    ) -> Reason:
        """The reason of a line whose terms are wrong and whose result is right all the same."""
        ranked = sorted(self.explanations(found, meant, terms, expected), key=lambda pair: pair[0])
        gives = f"the printed terms give {number(meant.middle, claim_of(found.line))}; the result is right"
        if not ranked:
            return Reason(MISPRINT, gives, found.claimed)
        best = ranked[0][1]
        return Reason(
            f"{best.kind}, in the printed terms only", f"{best.words}; {gives}", found.claimed
        )

    # What it should be

    def expected(self, name: str, sign: int, terms: Segment | None = None) -> list[Expected]:
        """The exact number; what follows from sound claims, from all, from those that the line uses."""
        found = [Expected(Interval.around(sign * self.steps.facts[name].value), {}, frozenset())]
        sound = {n for n, c in self.claims.items() if c.sound}
        readings = [sound, set(self.claims)]
        if terms is not None and terms.tree is not None and not terms.bare:
            told = literals(terms.tree)
            readings.append({n for n, c in self.claims.items() if any(c.is_told(p) for p in told)})
        chosen: list[dict[str, Claimed]] = []
        for allowed in readings:
            claims = {n: self.claims[n] for n in self.steps.frontier(name, allowed)}
            if claims in chosen:
                chosen.remove(claims)
            chosen.append(claims)
        for claims in chosen if chosen != [{}] else []:
            origins = frozenset[int]().union(*(c.origins for c in claims.values()))
            interval = self.reached(name, claims)
            numbers = {n: c.value for n, c in claims.items()}
            found.append(Expected(-interval if sign < 0 else interval, numbers, origins))
        return found

    def reached(self, name: str, claims: Mapping[str, Claimed]) -> Interval:
        """All values of a quantity while the claimed numbers are anything that rounds to them."""
        numbers = {n: c.value for n, c in claims.items()}
        radius = {n: c.half for n, c in claims.items()}
        return reach(lambda moved: self.steps.value(name, moved), numbers, radius)

    # The line's own arithmetic

    def interval(self, segment: Segment, name: str) -> Interval:
        """All results of a segment while its numbers are anything that rounds to them."""
        tree = segment.tree
        assert tree is not None
        if segment.bare:
            middle = value(tree)
            half = half_of(segment)
            return Interval.around(middle, half)
        found = {number.text: number for number in literals(tree)}
        at = {text: number.value for text, number in found.items()}
        by = {text: self.radius(number, name) for text, number in found.items()}
        return reach(lambda moved: value(tree, None, moved), at, by)

    def radius(self, number: Printed, name: str = "") -> float:
        """How far a number inside a formula may be off: not at all where it is given or counted."""
        above = self.steps.upstream(name) if name else self.steps.facts.keys()
        if any(abs(number.value - v) <= 1e-12 * max(1.0, v) for v in self.exact(above)):
            return 0.0
        if number.whole:  # a count, unless a line before has rounded to it
            claims = [self.claims[n] for n in above if n in self.claims]
            return number.half * any(c.half and c.text.lstrip("-−") == number.text for c in claims)
        return number.half

    def exact(self, names: Iterable[str]) -> Iterator[float]:
        """Sizes of quantities that are given, or that a claim prints without rounding."""
        for n in names:
            fact = self.steps.facts[n]
            if fact.role in GIVEN or (n in self.claims and not self.claims[n].half):
                yield abs(fact.value)

    def broken(self, line: Line) -> Segment | None:
        """The first segment that does not follow from the one before it; None where all do."""
        chain = line.numeric
        for before, after in pairwise(chain):
            if not self.follows(before, after):
                return after
        return None

    def follows(self, before: Segment, after: Segment) -> bool:
        """Whether two sides of a sign of equality can be the same number."""
        right = self.interval(after, "")
        extra = last_place(after)
        if self.interval(before, "").meets(right, extra):
            return True
        return False

    def kindly(self, line: Line) -> Line:
        """The line with brackets where people leave them out, if only so it comes out right."""
        chain = list(line.segments)
        for i in reversed(range(len(chain) - 1)):
            before, after = chain[i], chain[i + 1]
            if before.numeric and after.numeric and not self.follows(before, after):
                assert before.tree is not None
                other = Segment(before.text, kindly(before.tree))
                if self.follows(other, after):
                    chain[i] = other
        return replace(line, segments=tuple(chain))

    def arithmetic(
        self, found: Finding, broken: Segment | None, meant: Interval, here: float
    ) -> list[Reason]:
        """The reason that the terms do not give the result."""
        chain = found.line.numeric
        index = chain.index(broken) if broken in chain else len(chain) - 1
        before = self.interval(chain[index - 1], "").middle
        shown = number(before, claim_of(found.line))
        words = f"the printed terms give {shown}"
        last = chain[-1]
        if self.interval(last, "").meets(-self.interval(chain[index - 1], ""), last_place(last)):
            return [Reason(kinds.SIGN, f"{words}, with the other sign", before)]
        if slip := slip_of_digits(chain[-1], before):
            words += f"; {slip}"
        return [Reason(kinds.ARITHMETIC, words, before)]

    # The line's meaning

    def meaning(
        self, found: Finding, meant: Interval, terms: Segment | None, expected: list[Expected]
    ) -> tuple[list[Reason], tuple[str, ...]]:
        """The mistakes that explain a number, the simplest first."""
        here = found.here
        ranked = sorted(self.explanations(found, meant, terms, expected), key=lambda pair: pair[0])
        if ranked:
            _, best = ranked[0]
            close = [
                m.kind for cost, m in ranked if cost <= ranked[0][0] + 0.3 and m.kind != best.kind
            ]
            return [Reason(best.kind, best.words, here)], tuple(dict.fromkeys(close))
        claim = claim_of(found.line)
        if terms is None and claim and (slip := slip_of_digits(claim, here)):
            return [Reason(kinds.COPY, slip, here)], ()
        if terms is not None and (words := self.stranger(found, terms)):
            return [Reason(kinds.COPY, words, here)], ()
        return [Reason(kinds.ARITHMETIC, "no rule explains it", here)], ()

    def explanations(
        self, found: Finding, meant: Interval, terms: Segment | None, expected: list[Expected]
    ) -> Iterator[tuple[float, Mistake]]:
        """Mistakes whose number is the claimed one, with what is to be held against them."""
        seen = literals(terms.tree) if terms and terms.tree else []
        readings = list(reversed(expected))
        for i, reading in enumerate(readings):
            tried = 0
            for depth, at in self.unclaimed(found.name, reading.numbers):
                if depth and tried > MOST_TRIED:
                    break
                for mistake in mistakes(self.steps.facts[at], self.steps):
                    tried += 1
                    formulas = {mistake.at: mistake.formula}
                    got = found.sign * self.steps.value(found.name, reading.numbers, formulas)
                    spread = 0.55 * reading.interval.width + 1e-12 * abs(got)
                    near = meant.low - spread <= got <= meant.high + spread
                    turned = meant.low - spread <= -got <= meant.high + spread
                    if not near and (not turned or mistake.kind == kinds.SIGN):
                        continue
                    cost = mistake.cost + 0.6 * depth + 0.35 * i
                    if terms is not None and meant.width:  # printed numbers are what was put in
                        cost += 0.8 * min(1.0, 2 * abs(abs(got) - abs(meant.middle)) / meant.width)
                    cost += 0.5 * self.strangeness(found.name, mistake, seen, reading.numbers)
                    yield (cost, mistake) if near else (cost + 1.2, _turned(mistake))
            yield from self.other_lines(found, meant, reading, 0.35 * i)

    def other_lines(
        self, found: Finding, meant: Interval, reading: Expected, extra: float
    ) -> Iterator[tuple[float, Mistake]]:
        """The value of another quantity of the same kind."""
        own = self.steps.facts[found.name]
        for other in self.steps.of(own.role, step=own.step):
            if other.name == own.name or other.term is None:
                continue
            got = found.sign * reading.numbers.get(other.name, other.value)
            if meant.holds(got) and abs(got - found.here) > meant.width:
                words = f"it is {other.name} that has this value"
                yield 2.2 + extra, Mistake(kinds.QUANTITY, words, own.name, other.term, 2.2)

    def unclaimed(self, name: str, numbers: Mapping[str, float]) -> Iterator[tuple[int, str]]:
        """The quantity, and what it is made of as far as nobody has claimed it, with the distance."""
        level, seen = [name], {name}
        for depth in range(MOST_DEPTH):
            for at in level:
                yield depth, at
            below = [n for at in level for n in self.steps.near(at)]
            level = [n for n in dict.fromkeys(below) if n not in seen and n not in numbers]
            level = [n for n in level if self.steps.facts[n].term is not None]
            seen.update(level)

    def strangeness(
        self, name: str, mistake: Mistake, seen: list[Printed], numbers: Mapping[str, float]
    ) -> float:
        """How many printed numbers have no place in the changed formula."""
        if not seen:
            return 0.0
        names = (
            set(symbols(mistake.formula))
            | set(self.steps.near(name))
            | set(self.steps.near(mistake.at))
        )
        for _ in range(2):
            names |= {n for other in names if other not in numbers for n in self.steps.near(other)}
        inside = [abs(numbers.get(n, self.steps.facts[n].value)) for n in symbols(mistake.formula)]
        around = [abs(numbers.get(n, self.steps.facts[n].value)) for n in names]
        told = [n for n in seen if n.value not in (0, 1, 2, 0.5)]
        given = {abs(self.steps.facts[n].value) for n in names if self.steps.facts[n].role in GIVEN}
        rounded = [n for n in seen if n.value not in given]  # 0.9 is not 0.93 where a weight is 0.9
        missing = sum(not any(abs(n.value - v) <= n.unit for v in around) for n in told)
        near = [any(abs(n.value - v) <= n.unit for n in rounded) for v in inside]
        absent = sum(
            not n and not any(s.value == v for s in seen) for n, v in zip(near, inside, strict=True)
        )
        return missing + 0.5 * absent

    def stranger(self, found: Finding, terms: Segment) -> str:
        """The one printed number that stands where another belongs."""
        assert terms.tree is not None
        near = list(self._around(found.name))
        values = {n: self.now(n) for n in near}
        told = [n for n in literals(terms.tree) if n.value not in (0, 1, 2)]
        odd = [n for n in told if not any(abs(n.value - abs(v)) <= n.unit for v in values.values())]
        missing = [
            n for n, v in values.items() if not any(abs(p.value - abs(v)) <= p.unit for p in told)
        ]
        texts = list(dict.fromkeys(n.text for n in odd))
        if len(texts) != 1:
            return ""
        for name in missing:
            moved = {texts[0]: abs(values[name])}
            if abs(value(terms.tree, None, moved) - found.here) <= 1e-3 * abs(found.here) + 1e-12:
                return f"{texts[0]} stands in the place of {name} = {values[name]:.6g}"
        return ""

    def _around(self, name: str) -> Iterator[str]:
        for depth, at in self.unclaimed(name, {n: c.value for n, c in self.claims.items()}):
            if depth < 2:
                yield from self.steps.near(at)

    def now(self, name: str) -> float:
        """What a quantity is taken to be at this point."""
        return self.claims[name].value if name in self.claims else self.steps.facts[name].value


@dataclass(frozen=True, slots=True)
class Expected:
    """What a line may rightly claim: the numbers it goes on from, and whose mistakes it carries."""

    interval: Interval
    numbers: Mapping[str, float]
    origins: frozenset[int]


def _turned(mistake: Mistake) -> Mistake:
    """The mistake, and the sign turned besides."""
    words = f"{mistake.words}, and the sign is turned"
    return replace(mistake, kind=f"{mistake.kind} and {kinds.SIGN}", words=words)


def kindly(tree: Tree) -> Tree:
    """The formula as meant by who leaves brackets out: ``1/1 + e^-x``, ``1 - -0.5^2``."""
    if not isinstance(tree, Written):
        return tree
    args = tuple(kindly(arg) for arg in tree.args)
    if tree.op == "neg" and isinstance(args[0], Written) and args[0].op == "^":
        base, exponent = args[0].args
        if isinstance(base, Literal) and not base.number.whole:
            return Written("^", (Written("neg", (base,)), exponent))
    if tree.op == "+" and len(args) == 2 and isinstance(first := args[0], Written):
        if first.op == "*" and len(first.args) == 2 and isinstance(below := first.args[1], Written):
            if below.op == "inv" and isinstance(below.args[0], Literal):
                whole = Written("+", (below.args[0], args[1]))
                return Written("*", (first.args[0], Written("inv", (whole,))))
    return Written(tree.op, args)

"""Check a calculation done by hand: the first wrong line, what kind of mistake it is, what follows from
it.

In: an example with claims, or a text. Out: ``Verdict``, a finding for every line, in their order.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from deltarule.data.place import text_of
from deltarule.errors import DataError
from deltarule.explain.example import Example, Problem, read
from deltarule.explain.handwork import Line, Segment, read_lines
from deltarule.explain.handwork_characters import plain
from deltarule.explain.handwork_numbers import AmbiguousComma, how_commas_are_used
from deltarule.explain.handwork_terms import NotAFormula, Written, formula, literals, parts
from deltarule.explain.verify_claims import claim_of
from deltarule.explain.verify_judge import Finding, Judge, Reason
from deltarule.explain.verify_mistakes import ARITHMETIC, Mistake
from deltarule.explain.verify_names import Meaning, Names, key
from deltarule.explain.verify_record import steps_of
from deltarule.explain.verify_steps import Fact, Steps
from deltarule.explain.working import work

SIGNED = ("delta", "dE_dout", "change")
MOST_MEANINGS = 24
MOST_EPOCHS = 5  # in a text; claims by name go further


@dataclass(frozen=True, slots=True)
class Place:
    """What the headings above a line say: the layer (0: not said) and the phase of the step."""

    layer: int = 0
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """One way to complete a statement that is incomplete.

    Attributes
    ----------
    words : str
        What is filled in.
    example : Example
        The complete example.
    numbers : tuple of (str, float)
        What comes out: the outputs and the error before and after the update.
    """

    words: str
    example: Example
    numbers: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Verdict:
    """What is to be said about a calculation.

    Attributes
    ----------
    title : str
        Of the example, or the file's name.
    findings : tuple of Finding
        One for each line, in order.
    problems : tuple of Problem
        What is missing, and what contradicts itself.
    notes : tuple of str
        How the text was read.
    repairs : tuple of Repair
        How the problems can honestly be mended, each with its numbers.
    """

    title: str
    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()

    @property
    def checked(self) -> tuple[Finding, ...]:
        """Findings about lines whose meaning is known, or whose arithmetic is wrong."""
        return tuple(f for f in self.findings if f.status != "unknown")

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """Findings about wrong lines."""
        return tuple(f for f in self.findings if f.status == "wrong")

    @property
    def first_wrong(self) -> Finding | None:
        """The first wrong line."""
        return self.wrong[0] if self.wrong else None

    def following(self, finding: Finding) -> tuple[Finding, ...]:
        """Later lines that carry the mistake of this one."""
        return tuple(f for f in self.findings if finding.line.number in f.origins)

    @property
    def code(self) -> int:
        """0: all right. 1: something is wrong. 2: it cannot be checked."""
        if self.wrong:
            return 1
        unknown = len(self.findings) - len(self.checked)
        return 2 if self.problems or unknown >= max(1, len(self.checked)) or not self.checked else 0


def verify(source: str | Path | Example) -> Verdict:
    """Check the claims of an example, or of a text.

    Each claim is compared with the exact value at its own printed precision. A number counts as right where
    rounding of the numbers printed before it, or of those in its own line, explains it.

    Parameters
    ----------
    source : path or Example
        A TOML file in the example format with ``[claims]`` or ``lines``; a text with the statement of the
        network and the calculation; or an example in memory.

    Raises
    ------
    DataError
        Where the file cannot be read as an example.

    Examples
    --------
    >>> from deltarule.explain.example import parse
    >>> neuron = parse({"inputs": [1.0, 2.0], "targets": [1.0], "learning_rate": 0.1,
    ...     "layers": [{"neurons": ["y"], "weights": [[0.5, 0.25]], "bias": 0.1}],
    ...     "lines": ["y = 1*0.5 + 2*0.25 = 1.0"]}, "one neuron")
    >>> finding = verify(neuron).first_wrong
    >>> finding.kind, finding.reasons[0].words, round(finding.here, 9)
    ('bias left out', 'b_y is left out', 1.1)
    """
    if isinstance(source, Example):
        return verify_example(source)
    path = Path(source)
    if path.suffix.lower() == ".toml":
        example = read(path)
        return verify_example(example if example.title else replace(example, title=path.name))
    from deltarule.explain.verify_text import verify_text

    return verify_text(text_of(path, DataError), path.name)


def verify_example(example: Example) -> Verdict:
    """Check the claims and lines of an example."""
    problems = problems_of(example)
    try:
        lines = [*claimed_lines(example), *read_lines("\n".join(example.lines))]
    except AmbiguousComma as error:
        problems = (*problems, Problem("contradiction", str(error)))
    if problems:
        return Verdict(example.title, (), problems)
    if not any(line.numeric for line in lines):
        nothing = Problem("missing", "there are no claims", "write [claims] or lines = [...]")
        return Verdict(example.title, (), (nothing,))
    steps = _steps(example, lines)
    names = Names(steps)
    unknown = tuple(unknown_claims(example, names))
    return Verdict(example.title, (), unknown) if unknown else _judged(example, lines, names)


def unknown_claims(example: Example, names: Names) -> Iterator[Problem]:
    """Claims by a name that no quantity has, with the nearest name that one has."""
    known = list(names.steps.facts)
    for claim in example.claims:
        label = claim.name if claim.step == 1 else f"{claim.name}@{claim.step}"
        if not names.meanings(label):
            near = get_close_matches(label, known, 1)
            cure = f"did you mean {near[0]}?" if near else ""
            yield Problem("contradiction", f"claims.{label} names no quantity", cure)


def problems_of(example: Example) -> tuple[Problem, ...]:
    """Everything that keeps an example from being computed."""
    found = list(example.problems)
    if example.missing:
        names = ", ".join(example.missing)
        cure = "write them under [values], or say fill = 0.5"
        found.append(Problem("missing", f"no number is given for {names}", cure, example.missing))
    return tuple(found)


def claimed_lines(example: Example) -> list[Line]:
    """Claims by name, as lines."""
    lines = []
    texts = "\n".join(claim.text for claim in example.claims)
    commas = how_commas_are_used(texts)
    for number, claim in enumerate(example.claims, 1):
        label = claim.name if claim.step == 1 else f"{claim.name}@{claim.step}"
        try:
            tree, rest = formula(claim.text, commas)
        except NotAFormula as error:
            raise DataError(
                f"claims.{label} is {claim.text!r}, which is no number: {error}"
            ) from None
        if rest:
            raise DataError(
                f"claims.{label} is {claim.text!r}; {rest!r} is left over after the number"
            )
        lines.append(Line(number, f"{label} = {claim.text}", label, (Segment(claim.text, tree),)))
    return lines


def check(
    example: Example, lines: Sequence[Line], notes: Iterable[str] = (), brief: bool = False
) -> Verdict:
    """Judge every line, in the reading that leaves the fewest wrong; in ``brief`` without reasons."""
    return _judged(example, lines, Names(_steps(example, lines)), notes, brief)


def _steps(example: Example, lines: Sequence[Line]) -> Steps:
    """The steps of the example, as many as its lines are about."""
    return steps_of(work(example, steps=_steps_needed(example, lines)), example)


def _judged(
    example: Example,
    lines: Sequence[Line],
    names: Names,
    notes: Iterable[str] = (),
    brief: bool = False,
) -> Verdict:
    steps = names.steps
    signs: dict[str, int] = {}
    findings = Reading(steps, names, signs, brief=True).read(lines)
    for role in SIGNED:
        asked = any(f.name and steps.facts[f.name].role == role for f in findings)
        if asked and _wrong(findings):
            other = Reading(steps, names, {**signs, role: -1}, brief=True).read(lines)
            if _wrong(other) < _wrong(findings):
                findings, signs = other, {**signs, role: -1}
    if not brief and _wrong(findings):
        findings = Reading(steps, names, signs).read(lines)
    said = (*notes, *(SIGN_NOTES[role] for role in signs), *_lost_signs(findings, steps))
    return Verdict(example.title, tuple(findings), (), said)


SIGN_NOTES = {
    "delta": "deltas are written with the opposite sign, as -dE/dnet",
    "dE_dout": "errors are written as target minus output, the negative of dE/dout",
    "change": "changes of weights are written as what is subtracted",
}


def _lost_signs(findings: Sequence[Finding], steps: Steps) -> Iterator[str]:
    """Derivatives written as absolute values, which are right for one sign only."""
    for f in findings:
        signed = f.status != "wrong" and f.name and steps.facts[f.name].role in ("dE_dout", "delta")
        trees = [s.tree for s in f.line.segments if s.tree is not None]
        if signed and any(
            isinstance(p, Written) and p.op == "abs" for t in trees for p in parts(t)
        ):
            yield f"line {f.line.number}: bars |...| lose the sign; right only where the result is positive"


def _steps_needed(example: Example, lines: Sequence[Line]) -> int:
    """As many as are named, and as there are lines of one label: a text may go through epochs."""
    named = [int(found[1]) for line in lines if (found := re.search(r"@(\d+)$", line.label))]
    labels = Counter(key(line.label) for line in lines if line.label and len(line.numeric) > 1)
    return max([example.steps, *named, min(max(labels.values(), default=1), MOST_EPOCHS)])


def _wrong(findings: Sequence[Finding]) -> int:
    return sum(f.status == "wrong" for f in findings)


class Reading:
    """One way to read a calculation: the signs of deltas and changes as given, every line judged in order."""

    def __init__(
        self, steps: Steps, names: Names, signs: Mapping[str, int], brief: bool = False
    ) -> None:
        self.steps, self.names, self.signs = steps, names, signs
        self.judge = Judge(steps, brief)
        self.updated = False
        self.epoch = 1
        self.before: Finding | None = None

    def read(self, lines: Sequence[Line]) -> list[Finding]:
        """Findings for all lines that claim something."""
        found = []
        place = Place()
        for line in lines:
            if not line.numeric and line.says_a_number:
                found.append(Finding(line, "", 1, "unknown", math.nan, math.nan, math.nan))
            if not line.numeric:
                place = place_of(line, place, self.names.last)
                continue
            head, colon, label = line.label.partition(":")
            spot = place
            if colon and (layer := self.layer_said(head)):
                line, spot = replace(line, label=label.strip()), Place(layer, place.phase)
            finding = self.finding(self.judge.kindly(line), spot)
            if finding is None:
                continue
            self.before = finding
            found.append(finding)
            if finding.name:
                self.judge.remember(finding)
                self.updated |= self.steps.facts[finding.name].role == "new"
                _, _, epoch = finding.name.partition("@")
                self.epoch = max(self.epoch, int(epoch or 1))
        return found

    def layer_said(self, head: str) -> int:
        """The layer that the words before a colon name: ``Hidden: z = …``."""
        found = re.fullmatch(
            r"\W*(?:at |for |in )?(?:the )?(hidden|output)(?: layer| neuron| unit)?", head, re.I
        )
        if not found or (found[1].lower() == "hidden" and self.names.last != 2):
            return 0
        return 1 if found[1].lower() == "hidden" else self.names.last

    def finding(self, line: Line, place: Place) -> Finding | None:
        """What is to be said about a line; None where it only repeats what is given."""
        meanings = self.meanings(line, place)
        judged = [self.judge.judge(line, name, sign) for name, sign in meanings[:MOST_MEANINGS]]
        known = bool(self.names.meanings(line.label))
        for i, finding in enumerate(judged if known else []):
            if finding.status != "wrong" and (
                i == 0 or (self.told(finding) and self.free(finding))
            ):
                fact = self.steps.facts[finding.name]
                given = fact.term is None and len(line.numeric) == 1
                return None if given else finding
        if known and judged:
            return min(judged, key=lambda f: self.far(f, place, meanings))
        right = [finding for finding in judged if finding.status != "wrong"]
        return right[0] if len(right) == 1 else self.alone(line)

    def meanings(self, line: Line, place: Place) -> list[Meaning]:
        """The quantities that a line may be about."""
        found = [m for m in self.names.meanings(line.label) if self.signed(m, line.label)]
        if self.updated:
            found += [later for m in found for later in self.later(m) if later not in found]
        if re.fullmatch(r"(?:out|output|activation)", line.label, re.IGNORECASE) and self.beside(
            line
        ):
            return self.same_neuron()
        if not found:
            found = self.by_terms(line)
        found = list(dict.fromkeys((self.steps.one_of(name), sign) for name, sign in found))
        return sorted(found, key=lambda m: self.out_of_place(m, place))

    def beside(self, line: Line) -> bool:
        """Whether the line stands in one line of the text with the one before it."""
        return self.before is not None and self.before.line.number == line.number

    def same_neuron(self) -> list[Meaning]:
        """The activation of the neuron whose sum was said just before."""
        assert self.before is not None
        if not self.before.name:
            return []
        fact = self.steps.facts[self.before.name]
        place = {"layer": fact.layer, "unit": fact.unit, "row": fact.row, "step": fact.step}
        return [(out.name, 1) for out in self.steps.of("out", **place)]

    def signed(self, meaning: Meaning, label: str) -> bool:
        name, sign = meaning
        role = self.steps.facts[name].role
        if role not in SIGNED or (role == "dE_dout" and "/" not in label):
            return True  # an "error" has no sign of its own
        both = (name, -sign) in self.names.meanings(label)
        return not both or sign == self.signs.get(role, 1)

    def later(self, meaning: Meaning) -> Iterator[Meaning]:
        """The same quantity after the update: in the next epoch, or in the pass that ends the step."""
        name, sign = meaning
        fact = self.steps.facts[name]
        if fact.step > 2:
            return
        for epoch in (self.epoch, self.epoch + 1):
            if f"{name}@{epoch}" in self.steps.facts:
                yield f"{name}@{epoch}", sign
        if fact.step == 1 and fact.role in ("net", "out", "loss", "loss_part"):
            place = {"layer": fact.layer, "unit": fact.unit, "row": fact.row, "step": 2}
            yield from ((after.name, sign) for after in self.steps.of(fact.role, **place)[:1])

    def by_terms(self, line: Line) -> list[Meaning]:
        """Quantities whose formula fits the printed numbers of a line without a label."""
        terms = next((s for s in line.numeric if not s.bare), None)
        if terms is None:
            return []
        return [
            (fact.name, 1)
            for fact in self.steps.facts.values()
            if fact.term is not None
            and fact.role in ("net", "out", "loss", "delta", "gradient", "new")
            and self.strange(fact, line) < 1
        ]

    def out_of_place(self, meaning: Meaning, place: Place) -> int:
        fact = self.steps.facts[meaning[0]]
        layer = place.layer and fact.layer and fact.layer != place.layer
        phase = place.phase and fact.role not in PHASES[place.phase]
        return int(bool(layer)) + int(bool(phase))

    def strange(self, fact: Fact, line: Line) -> float:
        """How many printed numbers have no place in a quantity's own formula."""
        terms = next((s for s in line.numeric if not s.bare), None)
        if terms is None or terms.tree is None or fact.term is None:
            return 0.0 if terms is None else 3.0
        own = Mistake("", "", fact.name, fact.term, 0.0)
        numbers = {n: c.value for n, c in self.judge.claims.items()}
        return self.judge.strangeness(fact.name, own, literals(terms.tree), numbers)

    def told(self, finding: Finding) -> bool:
        """Whether a line says enough to be taken for a less likely quantity."""
        fact = self.steps.facts[finding.name]
        terms = any(not s.bare for s in finding.line.numeric)
        claim = claim_of(finding.line)
        digits = (
            max((n.digits for n in literals(claim.tree)), default=0) if claim and claim.tree else 0
        )
        return self.strange(fact, finding.line) < 1 if terms else digits >= 2 or fact.term is None

    def free(self, finding: Finding) -> bool:
        """Whether no line of another label has claimed the quantity already."""
        claim = self.judge.claims.get(finding.name)
        return claim is None or key(claim.label) == key(finding.line.label)

    def far(self, finding: Finding, place: Place, meanings: list[Meaning]) -> tuple[float, ...]:
        fact = self.steps.facts[finding.name]
        meaning = (finding.name, finding.sign)
        no_terms = fact.term is None and any(not s.bare for s in finding.line.numeric)
        return (
            no_terms,
            self.out_of_place(meaning, place),
            finding.name in self.judge.claims,
            self.strange(fact, finding.line),
            meanings.index(meaning),
        )

    def alone(self, line: Line) -> Finding | None:
        """A line whose meaning is not known: its own arithmetic can be checked."""
        if len(line.numeric) < 2 and all(s.bare for s in line.numeric) and not line.says_a_number:
            return None
        if not re.search(r"[=|←→]", plain(line.text)):
            return None  # 2-2-1 network
        claim = claim_of(line)
        assert claim is not None
        value = self.judge.interval(claim, "").middle
        found = Finding(line, "", 1, "unknown", value, value, value)
        broken = self.judge.broken(line)
        if broken is None:
            return found
        [reason] = self.judge.arithmetic(found, broken, self.judge.interval(claim, ""), value)
        return replace(found, status="wrong", here=reason.should, reasons=(reason,))


PHASES = {
    "forward": ("net", "out"),
    "error": ("loss", "loss_part"),
    "backward": ("dE_dout", "dout_dnet", "delta", "gradient", "share", "partial"),
    "update": ("new", "change", "memory_new"),
}
_WORDS = [
    ("update", r"\bupdat|\bnew (?:weights|values)\b"),
    ("backward", r"\bgradient|\bbackward|\bback-?prop|\bderivative|\bdelta"),
    ("error", r"\berror calc|\bloss\b|\bcost\b|\bcalculate the (?:total )?error"),
    ("forward", r"\bforward\b"),
]


def place_of(line: Line, before: Place, last: int) -> Place:
    """What a heading says about the lines below it."""
    text = line.label.lower()
    head = text.partition(":")[0] if len(text) > 80 else text
    phase, layer = before.phase, 0
    for part in (head, text):
        for name, pattern in _WORDS:
            if re.search(pattern, part):
                phase = name
                break
        else:
            continue
        break
    spoken = [word for word in ("input", "hidden", "output") if re.search(rf"\b{word}\b", text)]
    if spoken and len(spoken) < 3:
        layer = last if "output" in spoken else 1 if "hidden" in spoken and last == 2 else 0
    elif not spoken:
        layer = before.layer if phase == before.phase else 0
    return Place(layer, phase)


__all__ = ["ARITHMETIC", "Reason", "Verdict", "verify"]

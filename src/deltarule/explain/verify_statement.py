"""What a text says about its network before it calculates: sizes, numbers, activation, error, learning
rate.

In: plain text. Out: ``Statement``: everything that was recognized, and the lines of the calculation.
Nothing is filled in here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from deltarule.explain.handwork import Line, read_lines
from deltarule.explain.handwork_characters import plain
from deltarule.explain.handwork_numbers import (
    NUMBER,
    AmbiguousComma,
    Commas,
    how_commas_are_used,
    printed,
)
from deltarule.explain.handwork_terms import Literal, Name, Written, parts, value

COUNTS = dict(
    zip("one two three four five six seven eight nine ten".split(), range(1, 11), strict=True)
)
COUNT = rf"(\d+|{'|'.join(COUNTS)}|a single|single|an?)"
_ACTIVATIONS = [
    ("softmax", r"\bsoft-?max\b"),
    (
        "identity",
        r"\b(?:no|without(?: an)?) activation|\blinear\b|\bidentity\b|activation(?: function)?:? none",
    ),
    ("logistic", r"\bsigmoid|\blogistic\b|\bsigma\s*\("),
    ("tanh", r"\btanh\b|\bhyperbolic tangent"),
    ("relu", r"\brelu\b|\brectifie"),
]
UNKNOWN_ACTIVATION = re.compile(
    r"\b(?:leaky|parametric)[- ]?relu|\bp?relu6?\b(?<!\brelu)|\bs?elu\b|\bgelu\b|\bswish\b|\bsilu\b"
    r"|\bmish\b|\bsoft-?plus\b|\bsoft-?sign\b|\bstep function|\bheaviside|\bhard[- ]?(?:tanh|sigmoid)",
    re.IGNORECASE,
)
_LOSSES = [
    ("cross_entropy", r"\bcross[- ]?entropy|\bnegative log"),
    (
        "half_squared_error",
        r"\bhalf\b.{0,20}(?:squared|sum)|(?:1/2|0\.5)\)?\s*\*?\s*(?:(?:sum|Sigma)\b|[\[(]+[^()\n=]*\)\s*\^\s*2)"
        r"|\)\s*\^\s*2\s*/\s*2|1/2 *\|\|",
    ),
    ("mse", r"\bmean[- ]squared|\bmse\b|\bmean of (?:the )?squares"),
]
_WISHED = r"(?:targets?|desired|expected|actual|true|correct|(?:class )?label)"
_REMARK = re.compile(r"\s+\([^()]*\)$")  # w1 (x1 → h1)
_LAYER_MARK = re.compile(r"\^\s*\{?[(\[](\d)[)\]]\}?")  # w_{11}^{(2)}
_LISTED = re.compile(
    r"\s*-?[\d.,]*\d%?(?:\s*(?:[,;]|\band\b|,\s*and\b)\s*-?[\d.,]*\d%?(?![\w*/^]))+"
)
_CLASSES = [
    ("rate", r"(?:(?:learning[- ]?rate|step size)(?: \w+)?|lr|eta|alpha|rate)$"),
    ("momentum", r"(?:momentum|beta|mu)$"),
    ("bias", r"(?:b|b[_({^]*\w{0,6}|.*\bbias(?:es)?\b[\w ]*|theta_?\{?\w*\}?|w_?0\w?)[)}\]]*$"),
    (
        "weight",
        r"(?:[wvu](?:[_({^]*\d[\w,]*|[A-Z]\w{0,3}|_\w+|[({]\w+[,→ ]+\w+|(?:out|hid|[ohxiy])?\d?[ohy]?\d?)"
        r"|.*\bweights?\b[\w ,.]*|from .+ to .+|\w+\s*→\s*\w+)[)}\]]*$",
    ),
    (
        "input",
        r"(?:[xi][_({]*\w{0,2}|inputs?(?: values?| vector| \w+)?|features?|[xi]nput_?\d)[)}\]]*$",
    ),
    (
        "target",
        rf"(?:t[_({{]*o?\d*|{_WISHED}(?: outputs?| values?| \w{{1,3}})*"
        r"|target_?\w{0,2}|d\d?|y\d?|y_?\{?(?:true|target|t)\w?\}?)[)}\]]*$",
    ),
]


@dataclass(slots=True)
class Given:
    """A number of the statement: its name, what it is said to be, where the text puts it."""

    name: str
    value: float
    line: int
    layer: int = 0  # 1: into the hidden layer; -1: into the outputs; 0: not said
    ends: tuple[str, str] | None = None  # of a weight: from and to


@dataclass(slots=True)
class Statement:
    """What a text says about its network."""

    inputs: list[Given] = field(default_factory=list)
    targets: list[Given] = field(default_factory=list)
    weights: list[Given] = field(default_factory=list)
    biases: list[Given] = field(default_factory=list)
    tables: dict[str, list[list[float]]] = field(default_factory=dict)
    rate: float | None = None
    momentum: float | None = None
    sizes: tuple[int, ...] = ()
    hidden_activation: str = ""
    output_activation: str = ""
    loss: str = ""
    loss_named: str = ""
    calculation: list[Line] = field(default_factory=list)
    commas: Commas = "unknown"
    text: str = ""


def read_statement(text: str) -> Statement:
    """Return what a text says, and its calculation."""
    commas = how_commas_are_used(plain(text))
    return _Scan(text, commas).statement


class _Scan:
    def __init__(self, text: str, commas: Commas) -> None:
        self.statement = found = Statement(commas=commas, text=text)
        self.layer = 0
        self.started = False
        self.before: tuple[int, str] = (0, "")
        self.named: set[tuple[str, int]] = set()
        self.mark = 0  # the layer that a name carries, as w_{11}^{(2)} does
        self.computed = _computed_labels(text, commas)
        for line in read_lines(text, commas):
            self.line(line)
        whole = plain(text)
        prose = plain(
            " ".join(re.sub(r"[=:].*", "", raw) if "=" in raw else raw for raw in text.splitlines())
        )
        self.sizes(whole)
        self.activations(whole)
        found.loss_named = next((n for n, p in _LOSSES if re.search(p, prose, re.IGNORECASE)), "")
        found.loss = next((n for n, p in _LOSSES if re.search(p, whole, re.IGNORECASE)), "")
        self.prose(whole)

    # Lines

    def line(self, line: Line) -> None:
        """One statement: a number that is given, a vector, a heading, or part of the calculation."""
        if not line.segments:
            self.heading(line)
            if self.started:
                self.statement.calculation.append(line)
            return
        label = line.label.rpartition(":")[2].strip() or line.label
        kind = self.kind(label, line)
        if self.before == (line.number, "input") and re.fullmatch(r"[A-Z]", label):
            kind = "input"  # Inputs A = 0.35, B = 0.9
        self.before = (line.number, kind)
        if kind and len(line.segments) == 1 and self.take(kind, label, line):
            return
        if kind in ("weight", "bias", "input") and (also := self.equal_names(kind, line)):
            alike = replace(line, segments=line.segments[-1:])
            for name in (label, *also):
                self.take(kind, name, alike)
            return
        if line.numeric or line.says_a_number:
            result = re.fullmatch(r"-?[\d.,]+%?", line.segments[-1].text.strip(" *"))
            self.started |= len(line.segments) > 1 and bool(result)
            self.started |= bool(re.match(r"net|out|z|h\d|a\d", label))
            self.statement.calculation.append(line)

    def equal_names(self, kind: str, line: Line) -> list[str]:
        """The other names in ``b1 = b2 = 0.1``."""
        *names, last = line.segments
        alike = all(isinstance(s.tree, Name) and self.kind(s.text, line) == kind for s in names)
        return [s.text for s in names] if alike and last.bare else []

    def kind(self, label: str, line: Line) -> str:
        words = (label := _LAYER_MARK.sub("", _REMARK.sub("", label))).split()
        for name in (label, *(" ".join(words[i:]) for i in range(1, len(words)))):
            for kind, pattern in _CLASSES:
                if re.match(pattern, name, re.IGNORECASE):
                    return kind
        return ""

    def heading(self, line: Line) -> None:
        text = line.label.lower()
        words = [w for w in ("input", "hidden", "output") if re.search(rf"\b{w}", text)]
        if words and len(words) < 3 and len(text) < 120:
            self.layer = -1 if "output" in words else 1 if "hidden" in words else self.layer

    def take(self, kind: str, label: str, line: Line) -> bool:
        """Whether the line gives a number (or several) of a kind."""
        [segment] = line.segments
        listed = re.match(r"\s*(\[[^\[\]]*\]|\([^()]*,[^()]*\))", segment.text)
        listed = listed or (
            None if self.statement.commas == "decimal" else _LISTED.match(segment.text)
        )
        numbers = self.numbers(listed[0] if listed else segment.text)
        single = segment.numeric and (segment.bare or kind in ("weight", "bias", "input", "target"))
        single = single and not (listed and len(numbers) > 1)
        mark = _LAYER_MARK.search(label)
        label = _LAYER_MARK.sub("", _REMARK.sub("", label))
        name = _name_of(label)
        self.mark = int(mark[1]) if mark else 0
        if kind in ("weight", "bias") and name.lower().rstrip("0123456789") in ("weight", "bias"):
            name += {1: "_hidden", -1: "_output"}.get(self.layer, "")
        if (name, self.mark) in self.named or (kind == "target" and name in self.computed):
            return False
        if self.started and not self.late(kind, name, line):
            return False
        if not single and not re.match(
            r"\s*[\[({]|\s*-?[\d.]+\s*[,;]|\s*-?[\d.]+\s+and\b", segment.text
        ):
            return False
        if not numbers:
            return False
        if segment.text.count("[") > 1 and kind == "weight":
            rows = [self.numbers(row) for row in re.findall(r"\[([^\[\]]+)\]", segment.text)]
            self.statement.tables[f"{name}{self.mark or ''}"] = rows
            self.named.add((name, self.mark))
            return True
        if kind in ("rate", "momentum"):
            setattr(self.statement, kind, numbers[0])
            self.named.add((name, self.mark))
            return True
        if single and segment.tree is not None and not isinstance(segment.tree, Literal):
            if any(isinstance(p, Written) and p.op in ("+", "exp") for p in parts(segment.tree)):
                return False
        if single and segment.tree is not None:
            numbers = [value(segment.tree)]
        self.put(kind, name, label, numbers, line)
        return True

    def late(self, kind: str, name: str, line: Line) -> bool:
        """Whether a number below the first line of the calculation is given there, not claimed."""
        if name in self.computed:
            return False
        if kind == "target":
            return bool(re.search(rf"\b{_WISHED}|^t", line.label, re.IGNORECASE))
        clear = re.fullmatch(r"[wbxi]\d*", name) or re.search("weight|→", plain(line.text.lower()))
        return bool(clear) or kind in ("rate", "momentum")

    def put(self, kind: str, name: str, label: str, numbers: list[float], line: Line) -> None:
        found = {
            "input": self.statement.inputs,
            "target": self.statement.targets,
            "weight": self.statement.weights,
            "bias": self.statement.biases,
        }[kind]
        names = _many(label, name, len(numbers))
        spot = self.mark or self.layer
        said = set(re.findall(r"\b(?:output|hidden)\b", line.text.lower()))
        if kind in ("weight", "bias") and len(said) == 1 and not self.mark:
            spot = 1 if said == {"hidden"} else -1
        for one, number in zip(names, numbers, strict=True):
            arrow = _ends(plain(line.text), one) if kind == "weight" else None
            self.named.add((one, self.mark))
            found.append(Given(one, number, line.number, spot, arrow))

    def numbers(self, text: str) -> list[float]:
        """All numbers of a list."""
        commas: Commas = self.statement.commas
        if commas != "decimal":
            text = re.sub(r"(?<=\d),(?=\s|\d)", " ; ", text)
        out = []
        for found in NUMBER.finditer(text):
            before = text[: found.start()].rstrip()
            if re.search(r"[A-Za-z_]$", text[: found.start()]):
                continue
            try:
                number = printed(found[0].rstrip(",."), commas).value
            except AmbiguousComma:
                raise
            except ValueError:
                continue
            out.append(-number if before.endswith("-") else number)
        return out

    # Words

    def sizes(self, text: str) -> None:
        """3-2-1; two inputs, three hidden neurons, one output; an input layer of three neurons."""
        if found := re.search(
            r"(?<![\w.-])(\d{1,3}(?:\s?[-x:]\s?\d{1,3}){1,5})(?=\s*(?:\(|network|net\b|neural|MLP|perceptron|architecture|feed|,|\.|$))",
            text,
            re.MULTILINE,
        ):
            sizes = tuple(int(n) for n in re.findall(r"\d+", found[1]))
            if len(sizes) > 1 and all(0 < n < 100 for n in sizes):
                self.statement.sizes = sizes
                return
        low = text.lower()
        listed = r"\binputs?\W+(\d+)\W+hidden(?: \w+)?\W+(\d+)\W+outputs?(?: \w+)?\W+(\d+)"
        if told := re.search(listed, low):
            self.statement.sizes = (int(told[1]), int(told[2]), int(told[3]))
            return
        counts = []
        for word in ("input", "hidden", "output"):
            for pattern in (
                rf"\b{word} layer\b[^.\n]{{0,25}}?\b(?:contains|has|with|of|consists of|:)\s+{COUNT}\b"
                r"(?:\s+\w+)?\s+(?:neurons?|units?|nodes?)",
                rf"\b{COUNT}\s+{word}s?\b(?!\s+layer)",
            ):
                if found := re.search(pattern, low):
                    said = found[1]
                    counts.append(int(said) if said.isdigit() else COUNTS.get(said, 1))
                    break
        if len(counts) == 3:
            self.statement.sizes = tuple(counts)

    def activations(self, text: str) -> None:
        """Of the hidden layers and of the outputs, where the text tells them apart."""
        found = self.statement
        for clause in re.split(r"[.\n;](?:\s|$)", text.lower()):
            spots = [
                (m.start(), name)
                for name, pattern in _ACTIVATIONS
                for m in re.finditer(pattern, clause)
            ]
            kinds = {name for _, name in spots}
            hidden, output = "hidden" in clause, "output" in clause
            for at, name in spots:
                if len(kinds) == 1 and hidden == output:
                    layers = ["hidden", "output"] if hidden else [""]
                else:
                    layers = [_layer_beside(clause, at)]
                for layer in layers:
                    if layer == "output" or name == "softmax":
                        found.output_activation = found.output_activation or name
                    else:
                        found.hidden_activation = found.hidden_activation or name

    def prose(self, text: str) -> None:
        """Numbers that are said in sentences."""
        found = self.statement
        number = r"(-?(?:\d+(?:[.,]\d+)?|[.,]\d+))"
        thetas = [g for g in found.biases if re.match("theta_?[1-9]", g.name)]
        if not found.weights and not found.tables and len(thetas) == len(found.inputs):
            found.weights = thetas  # θ1, θ2 beside θ0
            found.biases = [g for g in found.biases if g not in thetas]
        if found.rate is None:
            said = re.search(
                rf"(?:learning[- ]rate|step size)\b[^\d\n]{{0,40}}?{number}", text, re.IGNORECASE
            )
            if said:
                found.rate = self.numbers(said[1])[0]
        several = rf"[\[(]?\s*{number}(?:\s*(?:,|;|and|,\s*and)\s*{number})*"
        if not found.inputs:
            said = re.search(
                rf"\binputs?(?:\s+(?:values?|vector|data))?\s*(?:\w+\s*)?(?:are|is|=|:)?\s*({several})",
                text,
                re.IGNORECASE,
            )
            if said:
                for k, v in enumerate(self.numbers(said[1]), 1):
                    found.inputs.append(Given(f"x{k}", v, 0))
        if not found.targets:
            said = re.search(
                rf"\b{_WISHED}(?:\s+(?:outputs?|values?))*\s*(?:\w\s*)?(?:are|is|=|:)?\s*({several})",
                text,
                re.IGNORECASE,
            )
            if said:
                for k, v in enumerate(self.numbers(said[1]), 1):
                    found.targets.append(Given(f"t{k}", v, 0))


def _layer_beside(clause: str, at: int) -> str:
    """hidden or output, whichever a word at a place goes with; empty where neither is said."""
    start = 0
    for part in re.split(r"(,|\band\b|\bwhile\b|\bbut\b|\bwhereas\b)", clause):
        if start <= at < start + len(part):
            if said := re.findall("hidden|output", part):
                return str(said[0])
        start += len(part)
    before = re.findall("hidden|output", clause[:at])
    after = re.findall("hidden|output", clause[at:])
    return str(before[-1]) if before else str(after[0]) if after else ""


def _computed_labels(text: str, commas: Commas) -> set[str]:
    """Names that a calculation gives: what ``y = 1/(1 + e^-0.4) = 0.6`` calls y is no target."""
    return {
        _name_of(line.label.rpartition(":")[2].strip() or line.label)
        for line in read_lines(text, commas)
        if len(line.segments) > 1 or any(not s.bare for s in line.segments if s.numeric)
    }


def _name_of(label: str) -> str:
    """The name in a label: ``the weight w_1`` is w1."""
    if spelled := re.search(r"\bfrom (\w+ ?\d*) to (\w+ ?\d*)", label):
        return "w_" + "_".join(_short(end).replace(" ", "") for end in spelled.groups())
    plainly = re.sub(r"[{}()\[\]_^]", "", label)
    words = plainly.split()
    short = [w for w in words if re.fullmatch(r"[A-Za-z]+\d*[A-Za-z]?\d*|[A-Za-z]\w{0,6}→\w+", w)]
    if (
        words
        and re.fullmatch(r"(?:weight|bias|input|target)s?", words[0], re.IGNORECASE)
        and len(words) > 1
    ):
        if words[-1].isdigit():
            return words[0].lower() + words[-1]
    return short[-1] if short else "".join(words)


def _many(label: str, name: str, count: int) -> list[str]:
    """Names for a list of numbers: ``w1..w4``, ``w1, w2``, or one name counted on."""
    if count == 1:
        return [name]
    listed = re.findall(r"[A-Za-z]+_?\d+", label)
    if len(listed) == count:
        return [one.replace("_", "") for one in listed]
    if len(listed) == 2 and re.search(r"\.\.|…|-|to", label):
        head = re.sub(r"\d+$", "", listed[0]).replace("_", "")
        start = int(re.findall(r"\d+$", listed[0])[0])
        return [f"{head}{start + i}" for i in range(count)]
    stem = re.sub(r"(?<=[a-z])s$", "", name)
    letter = {"input": "x", "target": "t", "weight": "w", "bias": "b", "biase": "b"}.get(
        stem.lower(), stem
    )
    return [
        f"{letter}{i + 1}" if not letter[-1:].isdigit() else f"{letter}_{i + 1}"
        for i in range(count)
    ]


def _short(text: str) -> str:
    """Neurons by letter and number: ``hidden neuron 2`` is h2, ``output`` o1."""
    for word, letter in (("input", "x"), ("hidden", "h"), ("output", "o")):
        text = re.sub(
            rf"\b{word} (?:neuron |unit |node )?(\d+)", rf"{letter}\1", text, flags=re.IGNORECASE
        )
    return re.sub(r"(?<=to )(?:the )?output\b", "o1", text, flags=re.IGNORECASE)


def _ends(text: str, name: str) -> tuple[str, str] | None:
    """From where to where a weight leads, if the text says so."""
    text = _short(text)
    after = re.search(rf"(?<!\w){re.escape(name)}\b(.*)", text.replace("_", ""))
    for piece in ([after[1]] if after else []) + [text]:
        piece = re.split(r"[;,](?=[^()]*=)", piece)[0]
        found = re.search(
            r"(?:from\s+)?(?:\binput\s+|\bhidden\s+|\bneuron\s+)?(\w+)\s*(?:→|\bto\b)\s*(?:hidden\s+|output\s+|neuron\s+)?(\w+)",
            piece.replace("_", ""),
        )
        if found and re.search(r"\d|^[xhoyi]$", found[1] + found[2]):
            return found[1], found[2]
    return None

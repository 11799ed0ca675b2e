"""What people call the quantities of a step: net_h1, z1, n1, the sum of hidden neuron 1; w5+, w5', new w5.

In: the facts of a step. Out: for a label as somebody wrote it, the quantities that it may mean, the
likeliest first. Names are made from where a quantity belongs, so they hold for every network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import permutations

from deltarule.explain.handwork_characters import plain
from deltarule.explain.verify_steps import Fact, Steps

_LAYER_MARK = re.compile(r"\^\s*\{?[(\[](\d)[)\]]\}?((?:_\{?\w+\}?)?)")  # z_1^{(2)}, z^{[2]}_1
_DROPPED = str.maketrans("", "", " _{}()[],^.")
Meaning = tuple[str, int]  # a quantity, and -1 where its negative is meant
FILLERS = set(
    """the of is are for at we get so then therefore thus hence a an neuron node unit with respect to wrt in
    value by compute computing calculate calculated result gives using now next first that its this our on
    has becomes equals as and from layer total amount""".split()
)
SAID = [
    (r"\b(?:updated?|after (?:the )?update)\b", "new"),
    (r"\b(?:net[- ]?input|weighted[- ](?:sum|input)|pre[- ]?activation|logit|net sum)\b", "net"),
    (r"\b(?:error (?:signal|term)|local gradient)\b", "delta"),
    (r"\b(?:partial )?(?:derivative|gradient)\b", "grad"),
    (r"\bhidden (?:layer )?(?:neuron|unit|node)?\s*(\d+)", r"h\1"),
    (r"\boutput (?:layer )?(?:neuron|unit|node)\s*(\d+)", r"o\1"),
    (
        r"\b(?:predicted (?:output|value)|prediction|network output|output of the network|y ?pred)\b",
        "yhat",
    ),
    (
        r"\b(?:(?:mean )?squared error|total error|error total|total loss|cost function|overall error)\b",
        "loss",
    ),
    (r"\b(?:top|first|upper) (?=(?:hidden )?(?:neuron|unit|node))", "h1 "),
    (r"\b(?:bottom|second|lower) (?=(?:hidden )?(?:neuron|unit|node))", "h2 "),
    (r"\b(?:final|last|output) (?=(?:neuron|unit|node)\b)", "o1 "),
    (r"\blearning[- ]rate\b", "lr"),
    (r"\bactivated\b", "out"),
]
LOSS_WORDS = (
    "e",
    "etotal",
    "l",
    "loss",
    "j",
    "c",
    "cost",
    "error",
    "mse",
    "sse",
    "etot",
    "totalerror",
    "err",
    "losstotal",
    "ltotal",
)
NET_WORDS = (
    "net",
    "z",
    "s",
    "in",
    "n",
    "sum",
    "input",
    "i",
    "v",
    "u",
    "a",
    "x",
    "weightedsum",
    "t",
    "neti",
    "netin",
)
OUT_WORDS = ("out", "o", "y", "a", "output", "act", "activation", "f", "h", "z", "yhat")
ACTS = ("sigmoid", "sigma", "f", "g", "phi", "tanh", "relu", "logistic", "act", "s")


def key(text: str) -> str:
    """A label without what people vary: spaces, underscores, brackets, capitals, primes of derivatives.

    >>> key("net_{h1}"), key("∂E/∂w₅"), key("w5⁺"), key("z_1^{(2)}")
    ('neth1', 'de/dw5', 'w5+', 'z1l2')
    """
    text = _LAYER_MARK.sub(r"\2l\1", plain(text))
    text = re.sub(r"\^?\{?\(?\s*(new|\+|\*|t\+1)\s*\)?\}?$", r"\1", text.strip())
    text = re.sub(r"\bDelta[ _]?(?=\w)", "change", text)
    text = re.sub(r"[\s_{}()\[\]\\,^.]", "", text)
    return text.lower().replace("′", "'").rstrip(":-")


@lru_cache(1 << 16)
def _quick_key(name: str) -> str:
    """The key of a name made here; the readings of a text make the same ones again and again."""
    return name.lower().translate(_DROPPED)


def tokens(label: str) -> list[str]:
    """The words of a label that say something."""
    text = plain(label)
    text = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", text)
    for pattern, word in SAID:
        text = re.sub(pattern, word, text, flags=re.IGNORECASE)
    parts = [p for p in re.split(r"[\s:]+", text) if p]
    return [p for p in parts if p.lower().strip(",") not in FILLERS]


@dataclass(slots=True)
class Names:
    """All names of all quantities."""

    steps: Steps
    table: dict[str, list[Meaning]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    owned: dict[tuple[int, int], str] = field(default_factory=dict)
    inputs: int = 0
    last: int = 0

    def __post_init__(self) -> None:
        facts = [fact for fact in self.steps.facts.values() if fact.step <= 2]
        for f in facts:
            if f.role in ("out", "net") and f.layer:
                self.sizes[f.layer] = max(self.sizes.get(f.layer, 0), f.unit)
        self.inputs = max((f.unit for f in facts if f.role == "input"), default=0)
        self.last = max(self.sizes, default=0)
        for fact in facts:
            self._put(fact.name, (fact.name, 1))
        for rank in range(3):
            for fact in facts:
                for name, sign in dict.fromkeys(self._names(fact, rank)):
                    self._put(name, (fact.name, sign))

    def _put(self, name: str, meaning: Meaning) -> None:
        found = self.table.setdefault(_quick_key(name), [])
        if meaning not in found:
            found.append(meaning)

    def meanings(self, label: str) -> list[Meaning]:
        """What a label may mean, the likeliest first; ``E@3`` is that of the third step."""
        base, at, step = label.partition("@")
        if at and step.strip().isdigit() and int(step) > 1:
            found = [(f"{name}@{int(step)}", sign) for name, sign in self.meanings(base)]
            return [meaning for meaning in found if meaning[0] in self.steps.facts]
        marked = key(label)  # where z_1^{(2)} is not known by its layer, the mark is like any index
        whole = self.table.get(marked) or self.table.get(re.sub(r"(?<=\d)l(?=\d)", "", marked))
        if whole:
            return whole
        words = tokens(label)
        for start in range(len(words)):
            rest = words[start:]
            if len(rest) > 4:
                continue
            for order in permutations(rest):
                if meanings := self.table.get(key("".join(order))):
                    return meanings
        return []

    # Neurons

    def neuron(self, layer: int, unit: int, rank: int) -> Iterator[str]:
        """Names of a neuron, usual ones at rank 0, numberings at rank 1."""
        if layer == 0:
            yield from (
                (f"x{unit}", f"i{unit}") if rank == 0 else (f"{unit}", f"in{unit}", f"input{unit}")
            )
            return
        own = self._own(layer, unit)
        before = sum(self.sizes.get(k, 0) for k in range(1, layer))
        alone = self.sizes.get(layer) == 1
        if rank == 0:
            yield own
            yield f"{unit}l{layer}"
            if alone:
                yield f"l{layer}"
            if layer == self.last:
                yield from (f"o{unit}", f"y{unit}", f"output{unit}", f"out{unit}")
                if alone:
                    yield from ("o", "y", "out", "output", "yhat")
            else:
                if self.last == 2:
                    yield from (f"h{unit}", f"hidden{unit}")
                    if alone:
                        yield from ("h", "hidden")
                yield f"h{layer}{unit}"
        elif rank == 1:
            yield str(before + unit)
            yield str(self.inputs + before + unit)
        else:
            yield from (f"{layer}{unit}", f"{unit}{layer}", f"h{layer}_{unit}", f"{unit}")
            if alone:
                yield str(layer)
            if layer < self.last:
                yield f"h{unit}"

    def _own(self, layer: int, unit: int) -> str:
        if (layer, unit) not in self.owned:
            self.owned[layer, unit] = self._find_own(layer, unit)
        return self.owned[layer, unit]

    def _find_own(self, layer: int, unit: int) -> str:
        for role, head in (("out", "out_"), ("net", "net_"), ("net", "out_")):
            for fact in self.steps.of(role, layer=layer, unit=unit, step=1):
                if fact.name.startswith(head):
                    return fact.name[4:].partition("(")[0]
        return f"n{layer}{unit}"

    # Names by role

    def _names(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        after = fact.step % 2 == 0
        ends = ("new", "after", "'", "+") if after else ("",)
        for name, sign in self._plain_names(fact, rank):
            for end in ends:
                yield name + end, sign
                if after and end in ("new", "after"):
                    yield end + name, sign

    def _plain_names(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        make = getattr(self, f"_{fact.role.lower()}", None)
        if make is not None:
            yield from make(fact, rank)

    def _net(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for n in self.neuron(fact.layer, fact.unit, rank):
            for word in NET_WORDS:
                if word != "a" or rank:  # some call the sum so, most the activation
                    yield word + n, 1
            if rank == 0 or not n.isdigit():
                for end in ("net", "in", "sum", "input", "z"):
                    yield n + end, 1
            if rank == 2 or n.isdigit():
                yield f"neuron{n}", 1
        if rank == 2:
            for n in self.neuron(fact.layer, fact.unit, 0):
                yield n, 1
        if self.sizes.get(fact.layer) == 1 and rank == (fact.layer != self.last):
            for word in ("net", "z", "s", "netinput"):
                yield word, 1

    def _out(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for n in self.neuron(fact.layer, fact.unit, rank):
            if not n.isdigit():
                yield n, 1
                for end in ("out", "act", "output", "a"):
                    yield n + end, 1
            for word in OUT_WORDS:
                yield word + n, 1
            for net in ("net", "z", "") if rank < 2 else ():
                for act in ACTS:
                    yield f"{act}{net}{n}", 1
            if fact.name.startswith("p_"):
                yield f"p{n}", 1
                yield f"softmax{n}", 1
        if self.sizes.get(fact.layer) == 1 and rank == (fact.layer != self.last):
            for word in ("a", "p", "act", "activation"):
                yield word, 1
        if rank == 2:
            yield f"neuron{fact.unit}", 1

    def _delta(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for sign in (1, -1):
            for n in self.neuron(fact.layer, fact.unit, rank):
                for word in ("delta", "d", "err", "error", "e"):
                    yield word + n, sign
                    if not n.isdigit():
                        yield n + word, sign
            if self.sizes.get(fact.layer) == 1 and fact.layer == self.last:
                yield "delta", sign
        for n in self.neuron(fact.layer, fact.unit, rank):
            for loss in self._losses():
                for word in NET_WORDS[:7]:
                    yield f"d{loss}/d{word}{n}", 1
        if self.sizes.get(fact.layer) == 1 and rank == (fact.layer != self.last):
            for loss in self._losses():
                for word in ("net", "z", "s", "u"):
                    yield f"d{loss}/d{word}", 1

    def _losses(self) -> tuple[str, ...]:
        return LOSS_WORDS[:9]

    def _de_dout(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for n in self.neuron(fact.layer, fact.unit, rank):
            for loss in self._losses():
                for word in ("out", "o", "a", "y", "h", ""):
                    if word or not n.isdigit():
                        yield f"d{loss}/d{word}{n}", 1
                if fact.layer == self.last:
                    yield f"d{loss}{n}/dout{n}", 1
                    yield f"d{loss}{fact.unit}/dout{n}", 1
            for word in ("error", "err", "e", "diff"):
                yield word + n, 1
                yield word + n, -1
        if self.sizes.get(fact.layer) == 1 and fact.layer == self.last:
            for word in ("error", "e", "err", "difference"):
                yield word, -1
                yield word, 1

    def _dout_dnet(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for n in self.neuron(fact.layer, fact.unit, rank):
            for out in ("out", "o", "a", "y", "h", ""):
                for net in ("net", "z", "in", "s", "a"):
                    yield f"d{out}{n}/d{net}{n}", 1
            if self.sizes.get(fact.layer) == 1:
                for net in ("net", "z", "s", "u"):
                    yield f"d{n}/d{net}", 1
            for act in ACTS:
                for net in ("net", "z", "in", ""):
                    yield f"{act}'{net}{n}", 1
                    yield f"{act}derivative{net}{n}", 1

    def _share(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for far in self.neuron(fact.layer + 1, fact.source, rank):
            for n in self.neuron(fact.layer, fact.unit, rank):
                for out in ("out", "o", "a", "h", ""):
                    yield f"de{far}/d{out}{n}", 1
        if rank == 0:
            for n in self.neuron(fact.layer, fact.unit, 0):
                yield f"de{fact.source}/dout{n}", 1
                yield f"de{fact.source}/d{n}", 1

    def _loss(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        if rank == 0:
            for word in LOSS_WORDS:
                yield word, 1

    def _loss_part(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        if rank < 2:
            for n in [*self.neuron(self.last, fact.unit, rank), str(fact.unit)]:
                for word in ("e", "error", "loss", "l", "err"):
                    yield word + n, 1

    # Weights and what is about them

    def weight(self, name: str, rank: int) -> Iterator[str]:
        """Names of a weight or bias."""
        fact = self.steps.facts[name]
        base = name.partition("@")[0]
        if rank == 0:
            yield base
            yield re.sub(rf"_{fact.layer}$", "", base) + f"l{fact.layer}"  # w11_2 is w_{11}^{(2)}
            if (of_table := re.fullmatch(r"(\w+)_1(\d)", base)) and self.sizes[fact.layer] == 1:
                yield of_table[1] + of_table[2]
            return
        if fact.role == "bias":
            shared = len([f for f in self.steps.of("bias", layer=fact.layer, step=1)]) == 1
            for n in self.neuron(fact.layer, fact.unit, rank - 1):
                for word in ("b", "bias", "theta", "w0"):
                    yield word + n
                    yield f"{word}{fact.unit}l{fact.layer}"
            if shared:
                yield from (f"b{fact.layer}", f"bias{fact.layer}")
                if fact.layer == self.last:
                    yield from ("bo", "bout", "boutput", "biasoutput")
                else:
                    yield from ("bh", "bhidden", "biashidden")
            if rank == 2:
                yield "bias"
                yield "b"
            return
        for a in self.neuron(fact.layer - 1, fact.source, rank - 1):
            for b in self.neuron(fact.layer, fact.unit, rank - 1):
                yield from (f"w{a}{b}", f"w{b}{a}", f"w{a}→{b}")
        if rank == 1 and fact.layer == self.last:
            many = self.sizes.get(self.last, 1) > 1
            end = f"{fact.unit}{fact.source}" if many else f"{fact.source}"
            yield from (f"wout{end}", f"wo{end}", f"v{end}", f"woutput{end}")
            if not many and self.sizes.get(self.last - 1) == 1:
                yield from ("wout", "wo", "v", "woutput")
        if rank == 2:
            wide = self.inputs if fact.layer == 1 else self.sizes.get(fact.layer - 1, 1)
            yield f"weight{(fact.unit - 1) * wide + fact.source}"
            yield f"weight{fact.source}"

    def _weight(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for w in self.weight(fact.name, rank):
            yield w, 1

    _bias = _weight

    def _gradient(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for w in self.weight(fact.parameter, rank):
            for loss in self._losses():
                yield f"d{loss}/d{w}", 1
            for word in ("grad", "d", "g", "nabla", "gradientof"):
                yield word + w, 1
            yield f"{w}grad", 1
            if rank == 2:
                yield w, 1

    def _new(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for w in self.weight(fact.parameter, rank):
            for end in ("new", "+", "'", "*", "t+1", "updated", "next", "after"):
                yield w + end, 1
            for start in ("new", "next"):
                yield start + w, 1
            yield w, 1

    def _change(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for w in self.weight(fact.parameter, rank):
            for sign in (1, -1):
                yield f"change{w}", sign
                yield f"d{w}", sign
                yield f"delta{w}", sign

    def _memory_new(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        own = fact.name.partition("@")[0].removesuffix("_new")
        if rank == 0:
            yield own, 1
            head, _, w = own.partition("_")
            for word in {head, head[0]}:
                yield word + w, 1

    def _input(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        for n in self.neuron(0, fact.unit, rank):
            if not n.isdigit():
                yield n, 1

    def _target(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        if rank == 0:
            for word in ("t", "target", "d", "y", "desired"):
                yield f"{word}{fact.unit}", 1
                yield f"{word}o{fact.unit}", 1
            if self.sizes.get(self.last) == 1:
                yield from (("t", 1), ("target", 1), ("actualoutput", 1), ("actual", 1))

    def _rate(self, fact: Fact, rank: int) -> Iterator[Meaning]:
        if rank == 0:
            for word in ("lr", "eta", "alpha", "learningrate", "rate", "l"):
                yield word, 1

"""Random bits: Philox 4x32-10, bit for bit as ``program/ops/random.py`` has it.

In: a RandomKernel. Out: its function: blocks of four numbers, a vector of blocks at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from deltarule.compile.kernels import RandomKernel
from deltarule.compile.llvm.loops import (
    Pointers,
    Written,
    along,
    axes_of,
    nest,
)
from deltarule.compile.llvm.scalar import Term, cast
from deltarule.compile.llvm.text import I64, Function, Value, constant
from deltarule.compile.views import row_major
from deltarule.program.ops.random import LOW, MULTIPLIERS, ROUNDS, WEYL

U32, U64 = np.dtype("uint32"), np.dtype("uint64")
WORDS = 4
MASK = int(LOW)


@dataclass(frozen=True, slots=True)
class Stream:
    """Key, counter and target of one run of numbers."""

    key: Sequence[Term]
    counter: Sequence[Term]  # after the number of the block: site, step, step's high half
    target: str
    offset: str


def write_random(kernel: RandomKernel, vector_bytes: int) -> Written:
    """The function of a Random kernel."""
    pointers = Pointers()
    views = (kernel.key, kernel.step, kernel.out)
    key, step, out = (pointers.name(view) for view in views)
    f = Function(pointers.parameters)
    lead = kernel.step.shape
    strides = [
        kernel.key.strides[:-1],
        kernel.step.strides,
        tuple(kernel.count * s for s in row_major(lead)),
    ]
    lanes = max(1, vector_bytes // U64.itemsize)
    with nest(f, axes_of(lead, strides, range(len(lead))), ["0"] * 3) as offsets:
        words = []
        for i in range(2):
            at = f.plus(offsets[0], str(i * kernel.key.strides[-1]))
            words.append(cast(Term(f, f.load(key, at, U32)), U64))
        when = Term(f, f.load(step, offsets[1], I64)._replace(dtype=U64))
        counter = [Term(f, constant(kernel.site, U64)), when & MASK, when >> 32]
        stream = Stream(words, counter, out, offsets[2])
        for first, last, starts in stretches(kernel.count):
            along(f, last - first, lanes, partial(block, f, stream, starts, first))
    return f, pointers.addresses


def stretches(count: int) -> list[tuple[int, int, list[int]]]:
    """Ranges of blocks, and where those of their words that are wanted begin.

    Element e of ``count`` is word e // m of block e % m, m = ceil(count / 4).
    """
    m = -(-count // WORDS)
    ends = [min(m, max(0, count - word * m)) for word in range(WORDS)]
    found = []
    for low, high in itertools.pairwise(sorted({0, *ends})):
        starts = [word * m for word in range(WORDS) if ends[word] >= high]
        found.append((low, high, starts))
    return found


def block(
    f: Function,
    stream: Stream,
    starts: Sequence[int],
    first: int,
    index: str,
    lanes: int,
) -> None:
    """The words of ``lanes`` blocks from ``first + index`` on."""
    index = f.plus(index, str(first))
    number = f.spread(Value(index, U64), lanes)
    if lanes > 1:
        ramp = ", ".join(f"i64 {i}" for i in range(lanes))
        number = f.op("add", number, Value(f"<{ramp}>", U64, lanes))
    counter = [Term(f, number) & MASK, *(over(lanes, c) for c in stream.counter)]
    words = philox(counter, [over(lanes, k) for k in stream.key])
    for word, start in zip(words, starts, strict=False):
        at = f.plus(stream.offset, f.plus(index, str(start)))
        f.store(cast(word, U32).value, stream.target, at)


def over(lanes: int, x: Term) -> Term:
    """A number in every lane."""
    return Term(x.function, x.function.spread(x.value, lanes))


def philox(counter: Sequence[Term], key: Sequence[Term]) -> list[Term]:
    """Four words of 32 bits, held in 64."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        a = c0 * MULTIPLIERS[0]
        b = c2 * MULTIPLIERS[1]
        c0, c2 = mixed(b, c1, k0), mixed(a, c3, k1)
        c1, c3 = b & MASK, a & MASK
        k0 = (k0 + WEYL[0]) & MASK
        k1 = (k1 + WEYL[1]) & MASK
    return [c0, c1, c2, c3]


def mixed(product: Term, word: Term, key: Term) -> Term:
    """The high half of a product, xor a word, xor a key."""
    return product.write("lshr", 32).write("xor", word).write("xor", key)

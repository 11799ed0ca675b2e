"""Random bits: Philox 4x32-10, bit for bit as ``program/ops/random.py`` has it.

In: a RandomKernel. Out: its function: blocks of four numbers, a vector of blocks at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deltarule.compile.llvm.loops import Address, Pointers, nest, part
from deltarule.compile.llvm.scalar import Term, cast
from deltarule.compile.llvm.text import I64, Function, Value, constant
from deltarule.compile.plan import RandomKernel, View
from deltarule.program.ops.random import LOW, MULTIPLIERS, ROUNDS, WEYL

U32, U64 = np.dtype("uint32"), np.dtype("uint64")


def write_random(kernel: RandomKernel, vector_bytes: int) -> tuple[Function, list[Address]]:
    """The function of a Random kernel."""
    pointers = Pointers()
    key, step, out = (pointers.name(view) for view in (kernel.key, kernel.step, kernel.out))
    f = Function(pointers.parameters)
    lead = kernel.step.shape
    stride = kernel.key.strides[-1]
    rows = View(kernel.out.buffer, U32, lead, tuple(_lead_strides(kernel)))
    strides = [kernel.key.strides[:-1], kernel.step.strides, rows.strides]
    with nest(f, part(lead, strides, range(len(lead))), ["0"] * 3) as (at_key, at_step, at_out):
        words = [f.load(key, f.plus(at_key, str(i * stride)), U32) for i in range(2)]
        keys = [cast(Term(f, word), U64) for word in words]
        when = Term(f, f.load(step, at_step, I64)._replace(dtype=U64))
        counter = [Term(f, constant(kernel.site, U64)), when & int(LOW), when >> 32]
        lanes = max(1, vector_bytes // 8)
        for start, stop, valid in _stretches(kernel.count):
            blocks, rest = divmod(stop - start, lanes)
            if blocks:
                with f.loop(blocks) as loop:
                    index = f.plus(f.scaled(loop.index, lanes), str(start))
                    _block(f, index, lanes, counter, keys, (out, at_out), valid)
            if rest:
                _block(f, str(start + blocks * lanes), rest, counter, keys, (out, at_out), valid)
    return f, pointers.addresses


def _lead_strides(kernel: RandomKernel) -> list[int]:
    strides, step = [], kernel.count
    for n in reversed(kernel.step.shape):
        strides.append(step if n != 1 else 0)
        step *= n
    return strides[::-1]


def _stretches(count: int) -> list[tuple[int, int, list[int]]]:
    """Ranges of blocks, and where the numbers of the first block of each go that are wanted."""
    blocks = -(-count // 4)
    ends = [min(blocks, max(0, count - i * blocks)) for i in range(4)]
    marks = sorted({0, *ends})
    return [
        (low, high, [i * blocks for i in range(4) if ends[i] >= high])
        for low, high in zip(marks, marks[1:], strict=False)
    ]


def _block(
    f: Function,
    index: str,
    lanes: int,
    counter: Sequence[Term],
    keys: Sequence[Term],
    out: tuple[str, str],
    valid: Sequence[int],
) -> None:
    """Four numbers for each of ``lanes`` blocks."""
    first = f.spread(Value(index, U64), lanes)
    if lanes > 1:
        ramp = Value("<" + ", ".join(f"i64 {i}" for i in range(lanes)) + ">", U64, lanes)
        first = f.op("add", first, ramp)
    words = philox(
        [Term(f, first) & int(LOW), *(Term(f, f.spread(c.value, lanes)) for c in counter)],
        [Term(f, f.spread(k.value, lanes)) for k in keys],
    )
    pointer, offset = out
    for i, place in enumerate(valid):
        f.store(cast(words[i], U32).value, pointer, f.plus(offset, f.plus(index, str(place))))


def philox(counter: Sequence[Term], key: Sequence[Term]) -> list[Term]:
    """Four words of 32 bits, held in 64."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(ROUNDS):
        a, b = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = _high(b, c1, k0), b & int(LOW), _high(a, c3, k1), a & int(LOW)
        k0, k1 = (k0 + WEYL[0]) & int(LOW), (k1 + WEYL[1]) & int(LOW)
    return [c0, c1, c2, c3]


def _high(product: Term, word: Term, key: Term) -> Term:
    return product.write("lshr", 32).write("xor", word).write("xor", key)

"""Random bits from a counter: Philox 4x32-10.

Salmon and others, 2011, "Parallel random numbers: as easy as 1, 2, 3".

In: a key, a step, and the site in the program. Out: bits that depend on these and on the position only: no
state, any order, the same on every backend and any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.errors import TypeRuleError
from deltarule.program.families import align
from deltarule.program.lowering import Random
from deltarule.program.primitive import ErrorSample, Primitive, Sample
from deltarule.program.types import INT, ArrayType

U32 = np.dtype("uint32")
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)


def philox(counter: Sequence[Any], key: Sequence[Any]) -> list[Any]:
    """Four words of bits from four words of counter and two of key, all uint32 held in uint64 arrays,
    broadcast."""
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = (np.asarray(k, np.uint64) for k in key)
    for _ in range(ROUNDS):
        a, b = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (b >> np.uint64(32)) ^ c1 ^ k0,
            b & LOW,
            (a >> np.uint64(32)) ^ c3 ^ k1,
            a & LOW,
        )
        k0, k1 = (k0 + np.uint64(WEYL[0])) & LOW, (k1 + np.uint64(WEYL[1])) & LOW
    return [c0, c1, c2, c3]


def _random_bits(key: Any, step: Any, site: int, shape: tuple[int, ...]) -> Any:
    """Element e of n takes lane e // m of block e % m, m = ceil(n / 4)."""
    n = int(np.prod(shape))
    blocks = -(-n // 4)
    step = np.asarray(step).astype(np.uint64)[..., None]
    lead = np.broadcast_shapes(key.shape[:-1], step.shape[:-1])
    counter = (np.arange(blocks), site, step & LOW, step >> np.uint64(32))
    lanes = philox(counter, (key[..., 0, None], key[..., 1, None]))
    bits = np.concatenate([np.broadcast_to(lane, (*lead, blocks)) for lane in lanes], axis=-1)
    return bits[..., :n].astype(U32).reshape((*lead, *shape))


def _random_type(key: ArrayType, step: ArrayType, site: int, shape: tuple[int, ...]) -> ArrayType:
    if key.dtype != U32 or key.shape[-1:] != (2,):
        raise TypeRuleError(
            f"random_bits: a key is u32[2], not {key!r}; make one with dr.random.key(seed)"
        )
    if step.dtype != INT:
        raise TypeRuleError(f"random_bits: the step is i64[], not {step!r}")
    lead = np.broadcast_shapes(key.shape[:-1], step.shape)
    return ArrayType((*lead, *shape), U32)


def _random_batch(size: int, batched: Sequence[bool], key: Any, step: Any, **attrs: Any) -> Any:
    rank = max(len(key.shape) - 1 - batched[0], len(step.shape) - batched[1])
    key = align(key, rank + 1) if batched[0] else key
    return random_bits(key, align(step, rank) if batched[1] else step, **attrs)


def _samples(rng: np.random.Generator) -> list[Sample]:
    key = rng.integers(0, 2**32, 2, dtype=U32)
    shapes: list[tuple[int, ...]] = [(), (3,), (2, 5), (0,), (4, 3, 2)]
    return [
        Sample((key, np.array(i)), {"site": i, "shape": shape}) for i, shape in enumerate(shapes)
    ]


random_bits = Primitive(
    "random_bits",
    "Uniform bits u32 of a shape: Philox of (position, site, step) under a key.",
    type_rule=_random_type,
    evaluate=_random_bits,
    vjp=None,
    jvp=None,
    batch=_random_batch,
    lowering=Random(),
    notation=r"\mathrm{{bits}}",
    samples=_samples,
    errors=(
        ErrorSample((np.ones(2), np.array(0)), {"site": 0, "shape": (3,)}, "a key is u32[2]"),
        ErrorSample(
            (np.ones(2, U32), np.array(0.5)), {"site": 0, "shape": (3,)}, "the step is i64[]"
        ),
    ),
)

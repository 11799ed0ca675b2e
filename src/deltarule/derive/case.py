"""A primitive on one of its samples: what the proofs, and the tests of other back ends, are run on.

In: a primitive. Out: its ``Case``s, each with its results, derivatives and closed graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive.trace import Staged, stage
from deltarule.errors import CheckFailed, TypeRuleError
from deltarule.program import ArrayType, Graph, Primitive, type_of

RTOL, ATOL = 1e-6, 1e-8
SEED = 0


@dataclass(frozen=True, slots=True)
class Case:
    """A primitive on one of its samples. The arguments are read-only: a rule that writes to them fails."""

    primitive: Primitive
    args: tuple[Any, ...]
    attrs: dict[str, Any]
    derivative: tuple[Any, ...] | None = None

    def __str__(self) -> str:
        attrs = {k: v for k, v in self.attrs.items() if not isinstance(v, Graph)}
        given = ", ".join(
            [*(repr(type_of(x)) for x in self.args), *(f"{k}={v}" for k, v in attrs.items())]
        )
        return f"{self.primitive.name}({given})"

    @property
    def types(self) -> tuple[ArrayType, ...]:
        """Types of the arguments."""
        return tuple(type_of(x) for x in self.args)

    @property
    def floats(self) -> list[int]:
        """Arguments that can carry a derivative."""
        return [i for i, x in enumerate(self.args) if x.dtype.kind in "fc"]

    def results(self, args: Sequence[Any] | None = None) -> list[Any]:
        """What the primitive gives for other arguments (default: its own), always as a list."""
        out = self.primitive(*(self.args if args is None else args), **self.attrs)
        return list(out) if isinstance(out, tuple) else [out]

    def cotangents(self, cts: Sequence[Any], ys: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """What the vjp rule gives for each argument; None for integers, and where the rule gives None."""
        rule, floats = self.primitive.vjp, self.floats
        assert rule is not None
        if self.primitive.joint:
            needs = [i in floats for i in range(len(args))]
            return list(rule(needs, cts, tuple(ys), *args, **self.attrs))
        return [
            rule(i, cts[0], ys[0], *args, **self.attrs) if i in floats else None
            for i in range(len(args))
        ]

    def tangents(self, ts: Sequence[Any], ys: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """What the jvp rule gives for each result."""
        rule = self.primitive.jvp
        assert rule is not None
        if self.primitive.joint:
            return list(rule(ts, tuple(ys), *args, **self.attrs))
        return [rule(ts, ys[0], *args, **self.attrs)]

    def fail(self, check: str, message: str) -> None:
        """Raise, naming what was proven on what."""
        raise CheckFailed(f"{check}: {self}: {message}")

    def same(self, check: str, found: Any, expected: Any) -> None:
        """Raise unless types and values are equal, bit for bit but for the sign of zero."""
        if type_of(found) != type_of(expected):
            self.fail(check, f"gives {type_of(found)}, expected {type_of(expected)}")
        if not np.array_equal(found, expected, equal_nan=found.dtype.kind in "fc"):
            self.fail(check, f"gives {found}, expected {expected}")

    def close(
        self, check: str, found: Any, expected: Any, rtol: float = RTOL, atol: float = ATOL
    ) -> None:
        """Raise unless shapes are equal and values nearly so."""
        if np.shape(found) != np.shape(expected):
            self.fail(check, f"gives shape {np.shape(found)}, expected {np.shape(expected)}")
        if not np.allclose(found, expected, rtol=rtol, atol=atol, equal_nan=True):
            self.fail(check, f"gives {found}, expected {expected} within {rtol:g}")


def cases(primitive: Primitive, seed: int = SEED, special: bool = False) -> list[Case]:
    """The samples of a primitive, or its special points. Tests of other back ends start here."""
    found = primitive.special() if special else primitive.samples(np.random.default_rng(seed))
    return [Case(primitive, tuple(map(_frozen, s.args)), s.attrs, s.derivative) for s in found]


def staged(case: Case) -> Staged:
    """The closed graph of a case: one node, or as many as it has results."""
    return stage(lambda *args: case.results(args), case.types)


def _frozen(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        x = x.copy()
        x.flags.writeable = False
    return x


# --- the same in other types ---

PHASES = {
    "eigh": "the phases of complex eigenvectors are any: tested on what does not depend on them",
    "svd": "so are those of singular vectors",
    "complement": "so are those of the columns that complete orthogonal ones",
}
OTHER_DTYPES = "bool int8 uint8 int32 uint32 int64 float16 float32".split()


def in_other_dtypes(case: Case) -> Iterator[Case]:
    """The case with its float64 arguments in every other dtype that the type rule takes."""
    for dtype in OTHER_DTYPES:
        with np.errstate(all="ignore"):
            args = tuple(np.abs(x).astype(dtype) if x.dtype == np.float64 else x for x in case.args)
        other = Case(case.primitive, args, case.attrs)
        if other.types != case.types:
            try:
                case.primitive.type_rule(*other.types, **case.attrs)
            except TypeRuleError:
                continue
            yield other


def in_single(case: Case) -> Iterator[Case]:
    """The case in float32, where its attrs do not fix float64."""
    narrow = {"f": "f4", "c": "c8"}
    args = tuple(x.astype(narrow.get(x.dtype.kind, x.dtype)) for x in case.args)
    single = Case(case.primitive, args, case.attrs)
    if not any(isinstance(value, Graph) for value in case.attrs.values()):
        case.primitive.type_rule(*single.types, **case.attrs)
        yield single


def in_the_plane(case: Case) -> Iterator[Case]:
    """The case with its float64 arguments turned into the complex plane, where the type rule takes them."""
    if case.primitive.name in PHASES:
        return
    rng = np.random.default_rng(SEED)
    args = tuple(
        np.asarray(x + 1j * rng.uniform(0.3, 0.6, x.shape))[()] if x.dtype == np.float64 else x
        for x in case.args
    )
    other = Case(case.primitive, args, case.attrs)
    if other.types != case.types and not any(isinstance(x, Graph) for x in case.attrs.values()):
        with suppress(TypeRuleError):
            case.primitive.type_rule(*other.types, **case.attrs)
            yield other

"""Rules broken on purpose: each must be caught, and by the check that is there for it.

In: primitives with one field exchanged for a wrong one. Out: failures where that goes unnoticed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.derive.proof import CHECKS
from deltarule.errors import CheckFailed
from deltarule.program import TABLE, Primitive, ops
from deltarule.program.families import elementwise_type, zeros_like
from deltarule.program.lowering import Contract, Map
from deltarule.program.primitive import ErrorSample
from deltarule.program.transforms import transform


@contextmanager
def broken(name: str, **fields: Any) -> Iterator[Primitive]:
    """The primitive with some fields exchanged, under another name, until the end of the block."""
    copy = dataclasses.replace(TABLE[name], name=f"broken_{name}", **fields)
    try:
        yield copy
    finally:
        del TABLE[copy.name]


@dataclass(frozen=True)
class Fault:
    """What is wrong, in which primitive, the wrong fields, and the check that must notice."""

    what: str
    primitive: str
    fields: Callable[[Primitive], dict[str, Any]]
    check: str

    def __str__(self) -> str:
        return f"{self.primitive}: {self.what}".replace(" ", "-")


def both(partial: Callable[..., Any]) -> dict[str, Any]:
    """The two rules of a unary operation from a partial derivative, however wrong."""
    return {
        "vjp": lambda i, ct, y, x: ct * partial(y, x),
        "jvp": lambda ts, y, x: ts[0] * partial(y, x),
    }


def plain_jvp(partial: Callable[..., Any]) -> dict[str, Any]:
    return {"jvp": lambda ts, y, x: ts[0] * partial(y, x)}


def scan_with(p: Primitive, **changed: Any) -> dict[str, Any]:
    """The scan's reverse rule, run with some attrs changed."""

    def vjp(needs, cts, ys, *args, **attrs):
        return p.vjp(
            needs, cts, ys, *args, **{**attrs, **{k: f(attrs[k]) for k, f in changed.items()}}
        )

    return {"vjp": vjp}


def first_only(rule):
    """A joint rule that forgets all but the first cotangent."""
    return lambda needs, cts, ys, *args, **attrs: rule(
        needs, [cts[0], *[None] * (len(cts) - 1)], ys, *args, **attrs
    )


def _without_constants(p):
    def vjp(needs, cts, ys, *args, **attrs):
        found = p.vjp(needs, cts, ys, *args, **attrs)
        return [None] * attrs["consts"] + found[attrs["consts"] :]

    return vjp


def _unswapped(p):
    def batch(size, batched, *args, **attrs):
        n, c = attrs["consts"], attrs["carries"]
        flags = tuple(flag or n <= i < n + c for i, flag in enumerate(batched))
        return ops.scan(*args, **{**attrs, "body": transform("batch", attrs["body"], size, flags)})

    return batch


def _untransposed(i, ct, y, a, b):
    return (
        ops.matmul(ct, ops.reshape(b, shape=(*b.shape[:-2], b.shape[-1], b.shape[-2])))
        if i == 0
        else ops.matmul(_swap(a), ct)
    )


def _swap(x):
    return ops.transpose(x, order=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _unsummed(i, ct, y, a, b):
    return ops.matmul(ct, _swap(b)) if i == 0 else ops.matmul(_swap(a), ct)


def _gather_once(i, ct, y, x, index):
    return ops.scatter(zeros_like(x), index, ct) if i == 0 else None


def _everywhere(i, ct, a, b):
    return None if i == 0 else TABLE["add"].vjp(i - 1, ct, None, a, b)


def _transposed_spec(i, ct, y, *args, spec):
    found = TABLE["einsum"].vjp(i, ct, y, *args, spec=spec)
    return ops.reshape(
        ops.transpose(found, order=tuple(reversed(range(found.ndim)))), shape=args[i].shape
    )


def _first_term(ts, y, a, b):
    term = ts[0] * b if ts[0] is not None else ts[1] * a
    return ops.broadcast(term, shape=y.shape)


def _moves_constants(ts, y, x, new, **attrs):
    return ops.update(
        x if ts[0] is None else ts[0], zeros_like(new) if ts[1] is None else ts[1], **attrs
    )


def _plain_quotient(i, ct, y, a, b):
    return TABLE["mul"].vjp(i, ct, y, *((a, 1 / b) if i == 0 else (-y / b, b)))


def _masked_sqrt(i, ct, y, x):
    return ops.select(ops.eq(x, 0 * x), 0 * x, ct * (0.5 / y))


def _unshared(i, ct, y, x, axes):
    def widened(v):
        shape = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
        return ops.broadcast(ops.reshape(v, shape=shape), shape=x.shape)

    return widened(ct) * ops.cast(ops.eq(x, widened(y)), dtype=x.dtype)


def _tied_twice(i, ct, y, a, b):
    chosen = ops.cast(ops.ge(a, b) if i == 0 else ops.ge(b, a), dtype=a.dtype)
    return TABLE["add"].vjp(i, ct * chosen, y, a, b)


def _all_writes(i, ct, y, x, index, new):
    return ops.gather(ct, index) if i == 2 else TABLE["scatter"].vjp(i, ct, y, x, index, new)


def _constant(x):
    return dr.value(x)


def _batch_last(size, flags, x, order):
    return ops.transpose(x, order=(*(i + 1 for i in order), 0))


def _same_rows(size, flags, x, index):
    if flags == [False, True]:
        return ops.gather(x, index)
    return ops.transpose(
        ops.gather(ops.transpose(x, order=(1, 0, *range(2, x.ndim))), index), order=(1, 0)
    )


def _branching(i, ct, y, x):
    return ct * (1 - y * y) if ops.max(y, axes=tuple(range(y.ndim))) <= 1 else ct


def _reversed_result(*types, spec):
    operands, result = spec.split("->")
    return operands + "->" + result[::-1]


FAULTS = [
    # values and types
    Fault(
        "type rule names the wrong dtype",
        "exp",
        lambda p: {"type_rule": elementwise_type("exp", "fc", "f4")},
        "types",
    ),
    Fault(
        "type rule forgets to broadcast", "add", lambda p: {"type_rule": lambda a, b: a}, "types"
    ),
    Fault(
        "type rule keeps a reduced axis", "sum", lambda p: {"type_rule": lambda x, axes: x}, "types"
    ),
    Fault(
        "evaluation widens float32",
        "sin",
        lambda p: {"evaluate": lambda x: np.sin(np.float64(x))},
        "types",
    ),
    Fault(
        "accepts what it must refuse", "matmul", lambda p: {"type_rule": lambda a, b: a}, "errors"
    ),
    Fault(
        "refuses in other words",
        "matmul",
        lambda p: {
            "errors": (ErrorSample((np.ones((2, 3)), np.ones((4, 5))), {}, "some other words"),)
        },
        "errors",
    ),
    Fault("no samples", "tanh", lambda p: {"samples": lambda rng: []}, "record"),
    Fault("no forward rule", "tanh", lambda p: {"jvp": None}, "record"),
    Fault("kink that no sample states", "relu", lambda p: {"special": list}, "record"),
    Fault("notation with a place too many", "tanh", lambda p: {"notation": "{0} {9}"}, "record"),
    # reverse rules
    Fault("wrong sign", "sin", lambda p: {"vjp": lambda i, ct, y, x: ct * -ops.cos(x)}, "vjp"),
    Fault(
        "wrong factor", "sqrt", lambda p: {"vjp": lambda i, ct, y, x: ops.zmul(ct, 1 / y)}, "vjp"
    ),
    Fault("argument and result confused", "tanh", lambda p: both(lambda y, x: 1 - x * x), "vjp"),
    Fault(
        "arguments exchanged",
        "sub",
        lambda p: {"vjp": lambda i, ct, y, a, b: p.vjp(1 - i, ct, y, b, a)},
        "vjp",
    ),
    Fault(
        "no gradient, silently",
        "mul",
        lambda p: {"vjp": lambda i, ct, y, a, b: None if i else p.vjp(i, ct, y, a, b)},
        "vjp",
    ),
    Fault(
        "missing unbroadcast",
        "add",
        lambda p: {"vjp": lambda i, ct, y, a, b: ct},
        "cotangent types",
    ),
    Fault(
        "missing unbroadcast of a product",
        "mul",
        lambda p: {"vjp": lambda i, ct, y, a, b: ct * (b, a)[i]},
        "cotangent types",
    ),
    Fault(
        "unbroadcast by a mean",
        "add",
        lambda p: {
            "vjp": lambda i, ct, y, a, b: (
                p.vjp(i, ct, y, a, b) / max(y.size // max((a, b)[i].size, 1), 1)
            )
        },
        "vjp",
    ),
    Fault(
        "reduction not expanded",
        "sum",
        lambda p: {"vjp": lambda i, ct, y, x, axes: ct},
        "cotangent types",
    ),
    Fault("mean not divided", "mean", lambda p: {"vjp": TABLE["sum"].vjp}, "vjp"),
    Fault(
        "cotangent of float64",
        "exp",
        lambda p: {"vjp": lambda i, ct, y, x: ct * np.float64(1) * y},
        "cotangent types",
    ),
    Fault(
        "cast back forgotten",
        "cast",
        lambda p: {"vjp": lambda i, ct, y, x, dtype: ct},
        "cotangent types",
    ),
    Fault("matrix not transposed", "matmul", lambda p: {"vjp": _untransposed}, "vjp"),
    Fault(
        "batch of matrices not summed", "matmul", lambda p: {"vjp": _unsummed}, "cotangent types"
    ),
    Fault(
        "order not undone",
        "transpose",
        lambda p: {"vjp": lambda i, ct, y, x, order: ops.transpose(ct, order=order)},
        "vjp",
    ),
    Fault(
        "wrong piece of a join",
        "concatenate",
        lambda p: {
            "vjp": lambda i, ct, y, *args, axis: p.vjp(0, ct, y, args[i], *args[1:], axis=axis)
        },
        "vjp",
    ),
    Fault(
        "overwritten element keeps its gradient",
        "update",
        lambda p: {
            "vjp": lambda i, ct, y, *args, **attrs: p.vjp(i, ct, y, *args, **attrs) if i else ct
        },
        "vjp",
    ),
    Fault("repeated indices count once", "gather", lambda p: {"vjp": _gather_once}, "vjp"),
    Fault(
        "choice ignored",
        "select",
        lambda p: {"vjp": lambda i, ct, y, c, a, b: _everywhere(i, ct, a, b)},
        "vjp",
    ),
    Fault("wrong label", "einsum", lambda p: {"vjp": _transposed_spec}, "vjp"),
    # forward rules
    Fault("wrong forward rule", "cos", lambda p: plain_jvp(lambda y, x: ops.sin(x)), "jvp"),
    Fault("forward rule scaled", "exp", lambda p: plain_jvp(lambda y, x: 2 * y), "projection"),
    Fault("forward rule drops a term", "mul", lambda p: {"jvp": _first_term}, "jvp"),
    Fault(
        "forward rule of float64",
        "exp",
        lambda p: plain_jvp(lambda y, x: np.float64(1) * y),
        "cotangent types",
    ),
    Fault("still argument is made to move", "update", lambda p: {"jvp": _moves_constants}, "jvp"),
    # kinks and singular points
    Fault("missing zmul", "log", lambda p: both(lambda y, x: 1 / x), "special"),
    Fault("missing zmul of a quotient", "div", lambda p: {"vjp": _plain_quotient}, "special"),
    Fault("zero partial kept by a choice", "sqrt", lambda p: {"vjp": _masked_sqrt}, "special"),
    Fault(
        "other value at a kink",
        "relu",
        lambda p: both(lambda y, x: ops.cast(ops.ge(x, 0 * x), dtype=x.dtype)),
        "special",
    ),
    Fault("ties not shared", "max", lambda p: {"vjp": _unshared}, "special"),
    Fault("ties counted twice", "maximum", lambda p: {"vjp": _tied_twice}, "special"),
    Fault(
        "product rule of zmul by plain products",
        "zmul",
        lambda p: {"vjp": TABLE["mul"].vjp, "jvp": TABLE["mul"].jvp},
        "special",
    ),
    Fault(
        "second write keeps the first's gradient",
        "scatter",
        lambda p: {"vjp": _all_writes},
        "special",
    ),
    # second order
    Fault(
        "rule made of constants",
        "tanh",
        lambda p: both(lambda y, x: _constant(1 - y * y)),
        "second order",
    ),
    Fault(
        "partial wrong in its own derivative",
        "exp",
        lambda p: both(lambda y, x: ops.stop_gradient(y)),
        "second order",
    ),
    # batches
    Fault(
        "wrong batch axis",
        "sum",
        lambda p: {"batch": lambda n, flags, x, axes: ops.sum(x, axes=axes)},
        "batch",
    ),
    Fault("batch axis put last", "transpose", lambda p: {"batch": _batch_last}, "batch"),
    Fault(
        "ranks not aligned",
        "add",
        lambda p: {"batch": lambda n, flags, a, b: ops.add(a, b)},
        "batch",
    ),
    Fault("other examples' rows", "gather", lambda p: {"batch": _same_rows}, "batch"),
    Fault(
        "batch of the wrong examples",
        "tanh",
        lambda p: {"batch": lambda n, flags, x: ops.tanh(x)[::-1]},
        "batch",
    ),
    # loops
    Fault(
        "reversed scan run forward", "scan", lambda p: scan_with(p, reverse=lambda r: not r), "vjp"
    ),
    Fault("scan forgets its stacked results", "scan", lambda p: {"vjp": first_only(p.vjp)}, "vjp"),
    Fault(
        "scan loses a constant's gradient", "scan", lambda p: {"vjp": _without_constants(p)}, "vjp"
    ),
    Fault("scan steps batched along time", "scan", lambda p: {"batch": _unswapped(p)}, "batch"),
    # text and staging
    Fault("rule that branches on values", "tanh", lambda p: {"vjp": _branching}, "staged"),
    Fault(
        "rule that leaves the trace",
        "sin",
        lambda p: {"vjp": lambda i, ct, y, x: ct * np.vectorize(math.cos, otypes="d")(x)},
        "staged",
    ),
    # lowering
    Fault(
        "wrong scalar expression",
        "sigmoid",
        lambda p: {"lowering": Map("1 / (1 - exp(-x0))")},
        "lowering",
    ),
    Fault(
        "wrong contraction",
        "einsum",
        lambda p: {"lowering": Contract(_reversed_result)},
        "lowering",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_fault_is_caught(fault):
    rule = TABLE[fault.primitive]
    with broken(fault.primitive, **fault.fields(rule)) as primitive:
        with pytest.raises(CheckFailed, match=rf"^{fault.check}\b") as caught:
            CHECKS[fault.check](primitive, np.random.default_rng(0))
    assert fault.primitive in str(caught.value)


def test_an_unbroken_copy_passes_every_check():
    for name in ("tanh", "matmul", "scan", "max"):
        with broken(name) as primitive:
            for check in CHECKS.values():
                check(primitive, np.random.default_rng(0))


def test_every_check_has_a_fault_of_its_own():
    assert {fault.check for fault in FAULTS} == set(CHECKS)


def test_check_grads_catches_a_wrong_rule_of_the_user():
    wrong = dr.custom_vjp(np.sin, lambda x: (np.sin(x), x), lambda x, ct: (ct * np.sin(x),))
    with pytest.raises(CheckFailed, match=r"derivative 1 of .*reverse mode"):
        dr.check_grads(wrong, np.array([0.3, 0.5]), order=1, modes=("reverse",))

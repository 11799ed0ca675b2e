"""Every primitive keeps what its declaration says: one test for each check of each primitive in the table.

In: the samples that stand in the declarations. Out: failures named `test_primitive[check-primitive]`.
"""

from __future__ import annotations

import numpy as np
import pytest

from deltarule.derive.case import cases, staged
from deltarule.derive.proof import CHECKS, UNSAMPLED, prove
from deltarule.program import TABLE, interpret, primitives

ALL = list(primitives())
WITHOUT_DERIVATIVE = """
    input literal result stop_gradient
    eq ne lt le gt ge and or not shift_right sign floor rint floor_divide argmax argsort random_bits
    pivots exchanged
""".split()


@pytest.mark.parametrize("primitive", ALL, ids=str)
@pytest.mark.parametrize("check", CHECKS)
def test_primitive(check, primitive):
    """The check holds, and is not empty where the primitive has a derivative to check."""
    made = CHECKS[check](primitive, np.random.default_rng(0))
    assert made or check not in not_empty(primitive)


def not_empty(primitive) -> set[str]:
    """The checks that must compare something; the special one where a kink needs its point proven."""
    if not primitive.vjp:
        return set()
    special = {"special"} if primitive.kinks else set()
    if primitive.name == "foreign":
        return special
    wanted = {"record", "types", "cotangent types", "second order", "batch", "staged", *special}
    if primitive.name == "while_loop":  # forward mode only
        return wanted | {"jvp"}
    return wanted | {"vjp"} | ({"jvp", "projection"} if primitive.name != "custom_vjp" else set())


@pytest.mark.parametrize("seed", [1, 2])
def test_other_draws_of_the_samples_hold_too(seed):
    assert sum(sum(prove(primitive, seed).values()) for primitive in ALL) > 3000


def test_primitives_without_a_derivative_are_these():
    assert [p.name for p in ALL if p.vjp is None and p.name not in WITHOUT_DERIVATIVE] == []
    assert [name for name in WITHOUT_DERIVATIVE if TABLE[name].vjp is not None] == []


def test_primitives_without_samples_are_named_with_a_reason():
    assert {p.name for p in ALL if not cases(p)} == set(UNSAMPLED)
    assert all(UNSAMPLED.values())


def test_declared_kinks_are_these_at_least():
    with_kinks = {p.name for p in ALL if p.kinks and p.vjp}
    assert with_kinks >= {"relu", "abs", "log", "sqrt", "div", "max", "maximum"}


def test_a_case_gives_other_back_ends_a_graph_and_its_values():
    for case in cases(TABLE["scan"]):
        whole = staged(case)
        found = interpret(whole.graph, *case.args, *whole.captured)
        assert [y.shape for y in found] == [y.shape for y in case.results()]

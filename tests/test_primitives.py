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
    CHECKS[check](primitive, np.random.default_rng(0))


@pytest.mark.parametrize("seed", [1, 2])
def test_other_draws_of_the_samples_hold_too(seed):
    assert sum(sum(prove(primitive, seed).values()) for primitive in ALL) > 3000


def test_primitives_without_a_derivative_are_these():
    assert [p.name for p in ALL if p.vjp is None and p.name not in WITHOUT_DERIVATIVE] == []
    assert [name for name in WITHOUT_DERIVATIVE if TABLE[name].vjp is not None] == []


def test_primitives_without_samples_are_named_with_a_reason():
    assert {p.name for p in ALL if not cases(p)} == set(UNSAMPLED)
    assert all(UNSAMPLED.values())


@pytest.mark.parametrize("primitive", [p for p in ALL if p.vjp and p.name != "foreign"], ids=str)
def test_no_check_of_a_derivative_is_empty(primitive):
    made = prove(primitive)
    forward = {"jvp", "projection"} if primitive.name != "custom_vjp" else set()
    if primitive.name == "while_loop":  # forward mode only
        forward = {"jvp"}
    wanted = {
        "record",
        "types",
        "cotangent types",
        *({"vjp"} if primitive.name != "while_loop" else ()),
        "second order",
        "batch",
        "staged",
        *forward,
    }
    assert {name for name in wanted if not made[name]} == set()


def test_each_declared_kink_has_its_point_proven():
    with_kinks = [p for p in ALL if p.kinks and p.vjp]
    assert {p.name for p in with_kinks} >= {"relu", "abs", "log", "sqrt", "div", "max", "maximum"}
    assert [p.name for p in with_kinks if not prove(p)["special"]] == []


def test_a_case_gives_other_back_ends_a_graph_and_its_values():
    for case in cases(TABLE["scan"]):
        whole = staged(case)
        found = interpret(whole.graph, *case.args, *whole.captured)
        assert [y.shape for y in found] == [y.shape for y in case.results()]

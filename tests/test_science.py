"""Functions written by scientists' habits, unchanged: value, gradient, and the same as machine code.

In: examples/science. Out: agreement with plain NumPy and with central differences.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.derive.tree import flatten, tree_map

FOLDER = Path(__file__).parents[1] / "examples" / "science"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture
def example(request, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module(request.param)
    sys.modules.pop(request.param)


def directional(f, x, v, step=1e-6):
    """By central differences so near that no ray of light changes what it meets."""

    def moved(by):
        return f(tree_map(lambda a, b: a + by * b, x, v))

    return (moved(step) - moved(-step)) / (2 * step)


def test_there_are_eight():
    assert len(NAMES) == 8


@pytest.mark.parametrize("example", NAMES, indirect=True)
def test_value_and_gradient(example):
    first, *rest = example.arguments()
    value, gradient = dr.value_and_grad(example.loss)(first, *rest)
    assert value == pytest.approx(example.loss(first, *rest), rel=1e-12)
    rng = np.random.default_rng(0)
    for _ in range(3):
        v = tree_map(lambda x: rng.normal(size=np.shape(x)), first)
        pairs = zip(flatten(gradient)[0], flatten(v)[0], strict=True)
        slope = sum(np.sum(g * d) for g, d in pairs)
        measured = directional(lambda x: example.loss(x, *rest), first, v)
        assert slope == pytest.approx(measured, rel=1e-5, abs=1e-9)


SHORTER = {
    "runge_kutta": lambda parameters, counts: (parameters, counts[:3]),
    "kalman_filter": lambda parameters, track: (parameters, track[:4]),
    "hidden_markov": lambda parameters, sequence: (parameters, sequence[:10]),
    "gaussian_process": lambda *given: given,
    "ray_tracer": lambda *given: given,
}


@pytest.mark.parametrize("example", SHORTER, indirect=True)
def test_compiled_is_interpreted(example):
    given = SHORTER[example.__name__](*example.arguments())
    both = dr.value_and_grad(example.loss)
    for found, expected in zip(
        *(flatten(f(*given))[0] for f in (dr.compile(both), both)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)

"""Initial weights: their spread, their shape, their seeds, what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DataError, ShapeError
from deltarule.nn.initializers import INITIALIZERS, initializer

KEY = dr.random.key(3)
SHAPE = (300, 200)

SPREADS = {
    "uniform": 0.1 / math.sqrt(12),
    "normal": 0.05,
    "truncated_normal": 0.05,
    "glorot_uniform": math.sqrt(2 / 500),
    "glorot_normal": math.sqrt(2 / 500),
    "he_uniform": math.sqrt(2 / 300),
    "he_normal": math.sqrt(2 / 300),
    "lecun_uniform": math.sqrt(1 / 300),
    "lecun_normal": math.sqrt(1 / 300),
    "orthogonal": math.sqrt(1 / 300),
}
BOUNDS = {
    "uniform": 0.05,
    "truncated_normal": 2 * 0.05 / 0.8796256610342398,
    "glorot_uniform": math.sqrt(6 / 500),
    "he_uniform": math.sqrt(6 / 300),
    "lecun_uniform": math.sqrt(3 / 300),
}


@pytest.mark.parametrize("name", SPREADS)
def test_mean_and_spread(name):
    w = np.asarray(INITIALIZERS[name](KEY, SHAPE))
    assert w.shape == SHAPE and abs(w.mean()) < 5 * SPREADS[name] / math.sqrt(w.size)
    assert w.std() == pytest.approx(SPREADS[name], rel=0.02)
    if name in BOUNDS:
        assert 0.99 * BOUNDS[name] < abs(w).max() <= BOUNDS[name]


def test_every_initializer_is_tested_here():
    assert INITIALIZERS.keys() - SPREADS.keys() == {"zeros", "ones", "constant", "identity"}


def test_truncated_normals_are_normal_in_between():
    from scipy.stats import kstest, truncnorm

    w = np.asarray(INITIALIZERS["truncated_normal"](KEY, SHAPE)).ravel()
    scale = 0.05 / truncnorm(-2, 2).std()
    assert kstest(w, truncnorm(-2, 2, scale=scale).cdf).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 4), (4, 1)])
def test_orthogonal_matrices(shape):
    w = initializer("orthogonal", gain=2.0)(KEY, shape)
    small = w @ w.T if shape[0] < shape[1] else w.T @ w
    assert w.shape == shape
    np.testing.assert_allclose(small, 4 * np.eye(min(shape)), atol=1e-12)


def test_orthogonal_matrices_prefer_no_sign():
    """The uniform distribution has mean 0 in each entry; QR alone fixes a sign."""
    keys = dr.random.split(KEY, 400)
    corners = np.array([INITIALIZERS["orthogonal"](key, (2, 2))[0, 0] for key in keys])
    assert abs(corners.mean()) < 5 * math.sqrt(0.5 / 400)


def test_numbers_of_ones_own_choice():
    assert initializer("constant", value=0.5)(KEY, (3,)).tolist() == [0.5] * 3
    assert initializer("identity", gain=2.0)(KEY, (2, 3)).tolist() == [[2, 0, 0], [0, 2, 0]]
    w = initializer("uniform", low=2.0, high=3.0)(KEY, SHAPE)
    assert 2 <= w.min() < 2.001 and 2.999 < w.max() < 3
    assert np.std(initializer("normal", std=3.0)(KEY, SHAPE)) == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_layers_take_them_by_name_and_by_seed(name):
    def drawn(seed):
        return dr.Dense(4, initializer=name).init((1, 3), seed=seed).params["weight"]

    assert drawn(0).shape == (3, 4) and drawn(0).dtype == np.float32
    np.testing.assert_array_equal(drawn(0), drawn(0))
    assert np.array_equal(drawn(0), drawn(1)) == (name not in SPREADS)


def test_activations_choose_what_suits_them():
    for activation, name in [
        ("relu", "he_normal"),
        ("leaky_relu", "he_normal"),
        ("selu", "lecun_normal"),
        ("tanh", "glorot_uniform"),
        (np.tanh, "glorot_uniform"),
    ]:
        one = dr.Dense(4, activation).init((1, 3), seed=5).params["weight"]
        other = dr.Dense(4, activation, initializer=name).init((1, 3), seed=5).params["weight"]
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "settings", "shape", "error", "words"),
    [
        ("orthogonal", {}, (3,), ShapeError, r"orthogonal makes matrices.*shape \(3,\)"),
        ("identity", {}, (2, 2, 2), ShapeError, "identity makes matrices"),
        ("uniform", {"low": 1.0}, (3,), DataError, "low=1.0 and high=0.05"),
        ("normal", {"std": -1.0}, (3,), DataError, "normal: std .* not -1.0"),
        ("truncated_normal", {"std": math.nan}, (3,), DataError, "not nan"),
        ("normal", {"sd": 1.0}, (3,), ShapeError, "normal has no setting 'sd'.*mean 'std'"),
        (
            "glorot",
            {},
            (3,),
            ShapeError,
            "no initializer is called 'glorot'.*Did you mean 'glorot_",
        ),
        (None, {}, (3,), ShapeError, "no initializer is called None"),
    ],
)
def test_refused(name, settings, shape, error, words):
    with pytest.raises(error, match=words):
        initializer(name, **settings)(KEY, shape)

"""The examples do what they say: each runs short, and what its lesson rests on is checked.

In: the scripts in `examples/`, and its README, which shows what they print.
"""

from __future__ import annotations

import gzip
import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr

EXAMPLES = Path(__file__).parents[1] / "examples"
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


def shown(name: str) -> str:
    """What the README shows below the command that runs an example."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    command = rf"```sh\npython examples/{name}\.py[^\n]*\n```"
    (text,) = re.findall(command + r"\n\n```text\n(.*?)```", readme, re.DOTALL)
    return text


def compare(printed: str, expected: str) -> None:
    """The same words; numbers within 15 %, for processors add in different orders."""
    words = [NUMBER.sub("#", text).split() for text in (printed, expected)]
    assert words[0] == words[1]
    numbers = [[float(x) for x in NUMBER.findall(text)] for text in (printed, expected)]
    np.testing.assert_allclose(*numbers, rtol=0.15, atol=0.11)


@pytest.fixture
def example(monkeypatch):
    """Import an example by name; nothing of the folder stays."""
    monkeypatch.syspath_prepend(EXAMPLES)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(EXAMPLES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def logistic(z):
    return 1 / (1 + np.exp(-z))


def by_hand(p, X, T, rate, momentum, sweeps):
    """The generalized delta rule for one hidden layer, one pattern after the other, as 1986 has it."""
    names = [(layer, kind) for layer in ("dense1", "dense2") for kind in ("weight", "bias")]
    w = {name: p[name[0]][name[1]].copy() for name in names}
    change = {name: np.zeros_like(w[name]) for name in names}

    def forward(x):
        hidden = logistic(x @ w["dense1", "weight"] + w["dense1", "bias"])
        return hidden, logistic(hidden @ w["dense2", "weight"] + w["dense2", "bias"])

    worst = []
    for _ in range(sweeps):
        for x, t in zip(X, T, strict=True):
            hidden, y = forward(x)
            delta2 = (y - t) * y * (1 - y)
            delta1 = w["dense2", "weight"] @ delta2 * hidden * (1 - hidden)
            deltas = {"dense1": (x, delta1), "dense2": (hidden, delta2)}
            for layer, kind in names:
                before, delta = deltas[layer]
                slope = np.outer(before, delta) if kind == "weight" else delta
                change[layer, kind] = momentum * change[layer, kind] - rate * slope
            for name in names:
                w[name] += change[name]
        worst.append(np.abs(forward(X)[1] - T).max())
    return w, np.array(worst)


def test_trials_are_the_delta_rule_by_hand(example):
    trials = example("trials")
    X = trials.bits(2)
    T = np.stack([X[:, 0] != X[:, 1], X[:, 0] == X[:, 1]], axis=1).astype(float)
    net = dr.Sequential(dr.Dense(3, "logistic"), dr.Dense(2, "logistic"))
    found = trials.train(net, X, T, rate=0.5, momentum=0.9, sweeps=40, starts=3, spread=0.4)
    for start in range(3):
        p = trials.drawn(net.params, 0.4, start)
        assert np.abs(p["dense1"]["weight"]).max() <= 0.4
        w, worst = by_hand(p, X, T, 0.5, 0.9, 40)
        np.testing.assert_allclose(found.worst[start], worst, rtol=1e-9)
        for (layer, kind), values in w.items():
            np.testing.assert_allclose(found.of(start)[layer][kind], values, rtol=1e-8)


def test_trials_count_sweeps_to_the_first_that_is_right(example):
    trials = example("trials")
    found = trials.Trials({}, np.array([[0.9, 0.4, 0.3], [0.9, 0.8, 0.7], [0.2, 0.2, 0.1]]))
    assert found.learned.tolist() == [True, False, True]
    assert found.sweeps.tolist() == [2, 1]
    assert str(found) == " 2 of 3 starts learn it, after 2 sweeps (1 to 2)"


def test_xor_is_learned_with_one_hidden_unit_and_direct_connections(example):
    xor = example("xor")
    found = xor.trials(xor.Direct(), starts=3, sweeps=300)
    net = xor.Direct().init(xor.X.shape, dtype="float64")
    for start in range(3):
        assert (net(xor.X, params=found.of(start)) > 0.5)[:, 0].tolist() == [
            False,
            True,
            True,
            False,
        ]


def test_the_encoder_repeats_its_input(example):
    encoder = example("encoder")
    found = encoder.trials(starts=2, sweeps=300)
    for start in range(2):
        y = encoder.NET(encoder.X, params=found.of(start))
        np.testing.assert_array_equal(y.round(), encoder.X)
    assert encoder.codes(found).shape == (2, 8, 3)
    assert encoder.binary(example("trials").bits(3))
    assert not encoder.binary(np.full((8, 3), 0.4))


@pytest.mark.native
@pytest.mark.parametrize("name", ["xor", "parity", "encoder", "symmetry"])
def test_the_readme_shows_what_is_printed(example, name, capsys):
    example(name).main()
    compare(capsys.readouterr().out, shown(name))


def test_other_words_and_numbers_are_seen():
    compare("16 of 20, 1.0e-05 -0.40", "16 of  20,\n1.1e-05 -0.42")
    for other in ("16 of 25, 1.0e-05 -0.40", "16 in 20, 1.0e-05 -0.40", "16 of 20, 1.0e-05 0.40"):
        with pytest.raises(AssertionError):
            compare(other, "16 of 20, 1.0e-05 -0.40")


@pytest.mark.native
def test_parity_is_counted_by_the_hidden_units(example):
    parity = example("parity")
    units = parity.counting(parity.trials(starts=4, sweeps=4500))
    assert len(units) >= 2
    assert (np.abs(np.diff(units, axis=1)) == 1).all()


@pytest.mark.native
def test_symmetry_is_found_by_opposite_weights_in_powers_of_two(example):
    symmetry = example("symmetry")
    found = symmetry.trials(starts=8, sweeps=4000)
    w = symmetry.weights(found)
    assert symmetry.opposite(w) < 0.01
    assert np.isclose(symmetry.ratios(w), [1, 2, 4], rtol=0.05).all(axis=(1, 2)).any()
    for start in np.flatnonzero(~found.learned):
        assert symmetry.said_symmetric(found, start) == 0


def test_gradients_vanish_in_thirty_logistic_layers_and_in_none_of_the_remedies(example):
    """And they are those that the README shows."""
    deep, table = example("deep"), shown("deep")
    X, _, y, _ = deep.digits()
    for name, net in deep.networks(X).items():
        sizes = deep.gradients(deep.started(net, X), X, y)
        assert len(sizes) == deep.DEPTH + 1
        (row,) = (line for line in table.splitlines() if line.startswith(name + "  "))
        first, last = map(float, row.removeprefix(name).split()[:2])
        np.testing.assert_allclose(sizes[[0, deep.DEPTH - 1]], [first, last], rtol=0.1)
        vanished = name in ("logistic, U(-0.3, 0.3)", "logistic, Glorot")
        assert (sizes[0] < 1e-9 * sizes[-1]) == vanished, name
        assert (sizes[0] > 1e-3 * sizes[-1]) != vanished, name


@pytest.mark.native
def test_thirty_layers_train_with_a_remedy_and_not_without(example):
    deep = example("deep")
    data = deep.digits()
    networks = deep.networks(data[0])
    assert deep.run(networks["logistic, U(-0.3, 0.3)"], data, epochs=8).loss > 2.2
    assert deep.run(networks["relu, He"], data, epochs=8).loss < 1.5


def test_idx_files_are_read(example, tmp_path):
    images = example("images")
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4])
    with gzip.open(tmp_path / "x.gz", "wb") as file:
        file.write(header + values.tobytes())
    np.testing.assert_array_equal(images.read(tmp_path / "x.gz"), values)
    with gzip.open(tmp_path / "y.gz", "wb") as file:
        file.write(b"PNG?" + header)
    with pytest.raises(dr.DataError, match="no idx file"):
        images.read(tmp_path / "y.gz")


@pytest.mark.parametrize("shift", [0, 1])
def test_recipes_are_chosen_by_training_images_held_out(example, shift, monkeypatch, capsys):
    """The stand-in has no test images: looking at them fails. Other labels on the images held out show
    that nobody trained on them."""
    images = example("images")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 300)
    X = (np.eye(10)[y] @ rng.random((10, 784))).astype(np.float32)
    y[200:] = (y[200:] + shift) % 10
    monkeypatch.setattr(images, "load", lambda name: [X, y, None, None])
    monkeypatch.setattr(images, "HELD_OUT", 100)
    recipe = images.Recipe(16, drop_inputs=0.1, drop_hidden=0.1, rate=1e-2, batch=32, epochs=10)
    images.choose("stand-in", {"only": recipe})
    found = re.search(r"only: ([\d.]+)", capsys.readouterr().out)
    assert float(found[1]) > 80 if shift else float(found[1]) < 20


@pytest.mark.data
@pytest.mark.parametrize(("name", "most"), [("mnist", 3.0), ("fashion_mnist", 14.0)])
def test_images_are_learned_in_three_epochs(example, large_data, name, most):
    """In a few seconds; the figures of whole trainings are in the README."""
    images, script = example("images"), example(name)
    recipe = replace(script.RECIPES["plain"], epochs=3, hidden=200, rate=3e-3)
    (error,) = images.test(name.replace("_", "-"), recipe, seeds=1)
    assert error < most


@pytest.mark.data
def test_images_come_as_they_are_published(example, large_data):
    X, y, X_test, y_test = example("images").load("mnist")
    assert X.shape == (60_000, 784) and X_test.shape == (10_000, 784)
    assert (X.min(), X.max()) == (0, 1)
    assert np.bincount(y)[:3].tolist() == [5923, 6742, 5958]
    assert y_test[:5].tolist() == [7, 2, 1, 0, 4]

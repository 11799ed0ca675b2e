"""MNIST and Fashion-MNIST: reading them, and one hidden layer trained on them, for a few seeds.

In: the folder that DELTARULE_DATA names, which holds ``mnist/`` and ``fashion-mnist/`` with the four files of
each as they are published (``train-images-idx3-ubyte.gz`` and so on). Out: errors on held-out or test images.
"""

from __future__ import annotations

import argparse
import gzip
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import deltarule as dr

HELD_OUT = 10_000  # the last of the 60,000 training images, to choose by


@dataclass(frozen=True)
class Recipe:
    """What may be chosen; the learning rate falls to zero along a cosine."""

    hidden: int
    drop_inputs: float = 0.0
    drop_hidden: float = 0.0
    rate: float = 1e-3
    batch: int = 128
    epochs: int = 20

    def network(self) -> dr.Module:
        """784 - hidden - 10."""
        return dr.Sequential(
            dr.Dropout(self.drop_inputs),
            dr.Dense(self.hidden, "relu"),
            dr.Dropout(self.drop_hidden),
            dr.Dense(10),
        )

    def train(
        self, X: np.ndarray, y: np.ndarray, seed: int, progress: bool | None = None
    ) -> dr.Module:
        """A network trained with cross-entropy."""
        steps = self.epochs * -(-len(X) // self.batch)
        net, rule = self.network(), dr.Adam(dr.CosineDecay(self.rate, steps))
        settings = {"epochs": self.epochs, "batch_size": self.batch, "seed": seed}
        dr.fit(net, X, y, loss="cross_entropy", optimizer=rule, progress=progress, **settings)
        return net


def read(path: Path) -> np.ndarray:
    """An idx file of bytes: two zeros, the type (8), the number of axes, their sizes, the data."""
    with gzip.open(path) as file:
        zero, kind, axes = np.frombuffer(
            file.read(4), [("zero", ">u2"), ("kind", "u1"), ("axes", "u1")]
        )[0]
        if zero or kind != 8:
            raise dr.DataError(f"{path} is no idx file of bytes")
        shape = np.frombuffer(file.read(4 * int(axes)), ">u4").astype(int)
        return np.frombuffer(file.read(), np.uint8).reshape(shape)


def load(name: str) -> list[np.ndarray]:
    """Training images and labels, test images and labels; images as rows of 784 numbers from 0 to 1."""
    folder = os.environ.get("DELTARULE_DATA")
    if not folder:
        raise SystemExit(f"{name}: set DELTARULE_DATA to the folder that holds {name}/")
    parts = []
    for part in ("train", "t10k"):
        images, labels = (f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz")
        missing = [file for file in (images, labels) if not Path(folder, name, file).exists()]
        if missing:
            raise SystemExit(
                f"{Path(folder, name)} has no {missing[0]}; DELTARULE_DATA is {folder}"
            )
        parts.append(read(Path(folder, name, images)).reshape(-1, 784).astype(np.float32) / 255)
        parts.append(read(Path(folder, name, labels)).astype(int))
    return parts


def error(net: dr.Module, X: np.ndarray, y: np.ndarray) -> float:
    """The percentage of images that it takes for another class."""
    return 100 * int(np.sum(net(X).argmax(axis=1) != y)) / len(y)


def choose(name: str, recipes: Mapping[str, Recipe]) -> None:
    """Train every recipe on the first 50,000 training images and try it on the 10,000 others."""
    X, y, _, _ = load(name)
    print(f"{name}: error in % on the last {HELD_OUT:,} training images, one seed")
    for recipe_name, recipe in recipes.items():
        net = recipe.train(X[:-HELD_OUT], y[:-HELD_OUT], seed=0)
        print(f"{recipe_name:>8}: {error(net, X[-HELD_OUT:], y[-HELD_OUT:]):.2f}  {recipe}")


def test(name: str, recipe: Recipe, seeds: int) -> list[float]:
    """Train on all 60,000 images with each seed; errors on the test images."""
    X, y, X_test, y_test = load(name)
    errors = []
    for seed in range(seeds):
        start = time.perf_counter()
        net = recipe.train(X, y, seed)
        seconds = time.perf_counter() - start
        errors.append(error(net, X_test, y_test))
        print(
            f"seed {seed}: {errors[-1]:.2f} % of the test images wrong, {seconds:.0f} s", flush=True
        )
    print(f"mean {np.mean(errors):.2f} %, from {min(errors):.2f} to {max(errors):.2f}")
    return errors


def main(name: str, recipes: Mapping[str, Recipe], chosen: str) -> None:
    """The command line of both examples."""
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe", nargs="?", default=chosen, choices=recipes)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true", help="compare recipes on training images")
    given = parser.parse_args()
    if given.seeds < 1:
        parser.error(f"--seeds is how many, at least 1, not {given.seeds}")
    if given.choose:
        choose(name, recipes)
    else:
        print(f"{name}: {recipes[given.recipe]}")
        test(name, recipes[given.recipe], given.seeds)

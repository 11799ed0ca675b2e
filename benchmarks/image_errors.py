"""MNIST and Fashion-MNIST: error and time of the recipes in `examples/`, beside PyTorch and scikit-learn.

In: the files in the folder DELTARULE_DATA. Out: rows of `results/image_errors.json`: for each data set, peer
and seed the percentage of test images that are wrong; or, with `--pace`, seconds an epoch by turns.

    python benchmarks/image_errors.py mnist --peers deltarule --seeds 0 1 2
    python benchmarks/image_errors.py mnist fashion-mnist --pace
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "examples"))

import fashion_mnist
import images
import mnist
from measure import RESULTS, alternate, cores, keep_rows, summary

RECIPES = {"mnist": mnist.RECIPES, "fashion-mnist": fashion_mnist.RECIPES}
PACKAGES = ("scikit-learn", "torch")
Classify = Callable[[np.ndarray], np.ndarray]


def threads() -> int:
    """As many for each peer."""
    return int(os.environ.get("DELTARULE_THREADS") or cores())


def ours(recipe: images.Recipe, X: np.ndarray, y: np.ndarray, seed: int) -> Classify:
    """The example itself."""
    net = recipe.train(X, y, seed, progress=False)
    return lambda images: net(images).argmax(axis=1)


def pytorch(recipe: images.Recipe, X: np.ndarray, y: np.ndarray, seed: int) -> Classify:
    """The same network, rule, schedule and batches; initial weights of the same spread."""
    import torch
    from torch import nn

    torch.set_num_threads(threads())
    torch.manual_seed(seed)
    hidden, output = nn.Linear(784, recipe.hidden), nn.Linear(recipe.hidden, 10)
    nn.init.kaiming_normal_(hidden.weight, nonlinearity="relu")
    nn.init.xavier_uniform_(output.weight)
    for layer in (hidden, output):
        nn.init.zeros_(layer.bias)
    inner = (nn.Dropout(recipe.drop_inputs), hidden, nn.ReLU(), nn.Dropout(recipe.drop_hidden))
    net = nn.Sequential(*inner, output)
    rule = torch.optim.Adam(net.parameters(), recipe.rate)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    steps = recipe.epochs * -(-len(X) // recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(rule, steps)
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(X)).split(recipe.batch):
            rule.zero_grad()
            nn.functional.cross_entropy(net(inputs[rows]), targets[rows]).backward()
            rule.step()
            schedule.step()
    net.eval()
    return lambda images: net(torch.from_numpy(images)).argmax(dim=1).numpy()


def scikit_learn(recipe: images.Recipe, X: np.ndarray, y: np.ndarray, seed: int) -> Classify:
    """MLPClassifier with the same layers, rule and batches; it has neither dropout nor schedules for Adam."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    settings = {"alpha": 0.0, "n_iter_no_change": recipe.epochs, "random_state": seed}
    net = MLPClassifier(
        recipe.hidden,
        batch_size=recipe.batch,
        learning_rate_init=1e-3,
        max_iter=recipe.epochs,
        **settings,
    )
    with warnings.catch_warnings():  # it warns that the epochs asked for were run
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(X, y)
    return net.predict


PEERS = {"deltarule": ours, "torch": pytorch, "scikit-learn": scikit_learn}


def errors(
    name: str, recipe_name: str, peers: list[str], seeds: list[int], part: int
) -> dict[str, Any]:
    """Rows of test errors, trained on all training images; ``part`` of them for a trial of the script."""
    X, y, X_test, y_test = images.load(name)
    recipe, rows = RECIPES[name][recipe_name], {}
    for seed in seeds:
        for peer in peers:
            classify = PEERS[peer](recipe, X[:part], y[:part], seed)
            wrong = 100 * int(np.sum(classify(X_test) != y_test)) / len(y_test)
            print(f"{name}, {recipe_name}, {peer}, seed {seed}: {wrong:.2f} % wrong", flush=True)
            row = {"error": wrong, "recipe": asdict(recipe)}
            rows[f"{name} {recipe_name} {peer} {seed}"] = row
    return rows


def pace(name: str, recipe_name: str, peers: list[str], turns: int, part: int) -> dict[str, Any]:
    """A row of seconds an epoch, by turns; what the first run compiles is on file for the others."""
    X, y, _, _ = images.load(name)
    recipe = replace(RECIPES[name][recipe_name], epochs=1)

    def epoch(peer: str) -> Callable[[], Any]:
        return lambda: PEERS[peer](recipe, X[:part], y[:part], 0)

    seconds = alternate({peer: epoch(peer) for peer in peers}, turns)
    row = {"threads": threads(), "recipe": asdict(recipe), **summary(seconds, "s an epoch")}
    print(name, recipe_name, row["median"], flush=True)
    return {f"{name} {recipe_name} pace": row}


def main() -> None:
    """Measure what the command names, keep the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(RECIPES), metavar="mnist, fashion-mnist")
    parser.add_argument("--recipe", default="both")
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--pace", action="store_true", help="time epochs by turns")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--part", type=int, default=60_000, help="so many training images only")
    parser.add_argument("--out", type=Path, default=RESULTS / "image_errors.json")
    given = parser.parse_args()
    rows = {}
    for name in given.names:
        if given.pace:
            rows |= pace(name, given.recipe, given.peers, given.turns, given.part)
        else:
            rows |= errors(name, given.recipe, given.peers, given.seeds, given.part)
    keep_rows(given.out, rows, *PACKAGES)


if __name__ == "__main__":
    main()

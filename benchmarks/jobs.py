"""The networks whose steps are timed, by name.

In: a name. Out: ``Job``: sizes, batch, rule, and the data that every peer is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Job:
    """Training of a network of dense layers.

    Attributes
    ----------
    sizes : tuple of int
        Inputs, hidden units, outputs. The outputs have no activation.
    batch, steps : int
        Rows of a step, steps of an epoch. One step an epoch means the full batch: no shuffle.
    targets : str
        ``classes`` (softmax cross-entropy), or the name of a function in ``TARGETS`` (mean square).
    rule : str
        ``adam`` or ``sgd``, both without decay.
    threads : int
        Of every peer; 0 stands for all that the command allows.
    normalize : bool
        Whether hidden layers have batch normalization before the activation.
    epochs, turns : int
        Epochs in one measurement, and how often it is taken.
    drawn : int
        Rows whose order ``dr.fit`` may draw at once: one measurement of it goes through as many.
    """

    sizes: tuple[int, ...]
    batch: int
    steps: int
    activation: str = "relu"
    targets: str = "classes"
    rule: str = "adam"
    rate: float = 1e-3
    threads: int = 0
    dtype: str = "float32"
    normalize: bool = False
    epochs: int = 1
    turns: int = 9
    drawn: int = 1 << 16

    @property
    def rows(self) -> int:
        """Rows of the data."""
        return self.batch * self.steps

    @property
    def classes(self) -> bool:
        """Whether targets are class indices."""
        return self.targets == "classes"

    @property
    def full(self) -> bool:
        """Whether a step takes all rows."""
        return self.steps == 1

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        return list(pairwise(self.sizes))

    @property
    def flops(self) -> int:
        """Of the products of a step, two a multiply-add: y = xW, dW, and dx but for the first layer."""
        products = [a * b for a, b in self.layers]
        return 2 * self.batch * (3 * sum(products) - products[0])

    @property
    def words(self) -> str:
        """The job in a line."""
        kind = "" if self.dtype == "float32" else f", {self.dtype}"
        batch = "full batch of" if self.full else "batch"
        norm = ", batch norm" if self.normalize else ""
        return f"{'-'.join(map(str, self.sizes))}{norm}, {batch} {self.batch}, {self.rule}{kind}"


TINY = Job((20, 64, 64, 2), 32, 2048)
MNIST = Job((784, 256, 128, 10), 64, 256)
SMALL = Job((8, 32, 32, 1), 32, 2048, targets="noise", rule="sgd", rate=1e-2, threads=1)
JOBS = {
    "tiny": TINY,
    "mnist": MNIST,
    "wide": Job((784, 300, 10), 128, 128),
    "large": Job((784, 1024, 1024, 10), 256, 32, turns=5),
    "xor": replace(SMALL, sizes=(2, 4, 1), batch=4, steps=4096, activation="tanh", targets="xor"),
    "small": SMALL,
    "mnist-sgd": Job((784, 128, 10), 32, 256, rule="sgd", rate=1e-2, threads=1),
    "expm": Job((4, 32, 16, 4), 10_000, 1, activation="tanh", targets="expm", epochs=200),
    "mnist-norm": replace(MNIST, normalize=True),
    "tiny-64": replace(TINY, dtype="float64"),
    "mnist-64": replace(MNIST, dtype="float64"),
}


def data_of(job: Job) -> tuple[Array, Array]:
    """Inputs (rows, sizes[0]) and targets, (rows,) of class indices or (rows, sizes[-1]) of floats."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(job.rows, job.sizes[0]))
    if job.classes:
        return X.astype(job.dtype), rng.integers(0, job.sizes[-1], job.rows)
    X, y = TARGETS[job.targets](job, X)
    return X.astype(job.dtype), y.astype(job.dtype)


def noise(job: Job, X: Array) -> tuple[Array, Array]:
    """Targets that have nothing to do with the inputs; the time does not depend on them."""
    return X, np.random.default_rng(1).normal(size=(job.rows, job.sizes[-1]))


def xor(job: Job, X: Array) -> tuple[Array, Array]:
    """The four rows of exclusive or, again and again."""
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    X = np.tile(bits, (job.rows // len(bits), 1))
    return X, X.sum(axis=1, keepdims=True) % 2


def expm(job: Job, X: Array) -> tuple[Array, Array]:
    """The exponential of matrices of 2 x 2 numbers."""
    from scipy.linalg import expm

    matrices = X.reshape(-1, 2, 2) / 2
    return matrices.reshape(-1, 4), expm(matrices).reshape(-1, 4)


TARGETS = {"noise": noise, "xor": xor, "expm": expm}

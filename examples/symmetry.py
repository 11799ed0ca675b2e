"""Mirror symmetry of six bits: two hidden units are enough, by weights that none would have thought of.

Rumelhart, Hinton and Williams (1986, Nature 323, figure 1): learning rate 0.1, momentum 0.9, weights
from U(-0.3, 0.3), changed after each sweep through all 64 patterns; learned after 1,425 sweeps. Each
hidden unit ends with weights that are equal and opposite about the middle, so that a symmetric pattern
adds up to nothing, and in the ratio 1 : 2 : 4, so that no other one does.
"""

import numpy as np

import deltarule as dr

from trials import Trials, bits, train

X = bits(6)
T = (X == X[:, ::-1]).all(axis=1, keepdims=True).astype(float)
NET = dr.Sequential(dr.Dense(2, "logistic"), dr.Dense(1, "logistic"))


def trials(starts: int = 20, sweeps: int = 20_000) -> Trials:
    """Train it as they did."""
    settings = {"rate": 0.1, "momentum": 0.9, "spread": 0.3, "together": len(X)}
    return train(NET, X, T, sweeps=sweeps, starts=starts, **settings)


def weights(found: Trials) -> np.ndarray:
    """The weights from the six inputs into both hidden units, (starts that learned, 2, 6)."""
    return found.params["dense1"]["weight"][found.learned].swapaxes(1, 2)


def said_symmetric(found: Trials, start: int) -> int:
    """How many of the 64 patterns the network of a start calls symmetric; eight are."""
    return int((NET(X, params=found.of(start)) > 0.5).sum())


def opposite(w: np.ndarray) -> float:
    """How far weights are from equal and opposite about the middle, beside the largest of them."""
    return float(np.abs(w + w[..., ::-1]).max() / np.abs(w).max())


def ratios(w: np.ndarray) -> np.ndarray:
    """The sizes of the weights of one side, in order, as multiples of the smallest."""
    sizes = np.sort(np.abs(w[..., :3]), axis=-1)
    return sizes / sizes[..., :1]


def main() -> None:
    """Train from 20 starts, then look at the weights."""
    found = trials()
    print(f"6-2-1: {found}; 1986: 1425")
    stuck = [said_symmetric(found, start) for start in np.flatnonzero(~found.learned)]
    print("Patterns that the others call symmetric:", *stuck)
    w = weights(found)
    print(f"Equal and opposite about the middle, but for {opposite(w):.2%} at most.")
    doubled = np.isclose(ratios(w), [1, 2, 4], rtol=0.05).all(axis=(1, 2))
    print(f"In the ratio 1 : 2 : 4 in {doubled.sum()} of {len(w)}.")
    for row in np.unique(ratios(w[~doubled])[:, 0].round(1), axis=0):
        print("In the others: {} : {} : {}".format(*row))
    print("The weights of the first, a line for each hidden unit:")
    print(w[doubled][0].round(1))


if __name__ == "__main__":
    main()

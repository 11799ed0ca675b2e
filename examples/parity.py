"""Parity of four bits: is the number of ones odd? One bit more, and the answer is another.

Rumelhart, Hinton and Williams (1986, Parallel Distributed Processing, chapter 8): four hidden units,
learning rate 0.5, learned after 2,825 presentations of the sixteen patterns; momentum was about 0.9 in
most of their work. Their hidden units counted: with each input that comes on, one of them changes.
"""

import numpy as np

import deltarule as dr

from trials import Trials, bits, train

X = bits(4)
COUNT = X.sum(axis=1)
T = COUNT[:, np.newaxis] % 2
NET = dr.Sequential(dr.Dense(4, "logistic"), dr.Dense(1, "logistic"))


def trials(starts: int = 20, sweeps: int = 10_000) -> Trials:
    """Train it as they did; the weights change after each pattern."""
    return train(NET, X, T, rate=0.5, momentum=0.9, sweeps=sweeps, starts=starts)


def counting(found: Trials) -> np.ndarray:
    """For each start that learned, how many hidden units are on at 0, 1, 2, 3, 4 ones.

    NaN where patterns of equal count differ.
    """
    hidden, rows = NET.layers[0], []
    for start in np.flatnonzero(found.learned):
        on = (hidden(X, params=found.of(start)["dense1"]) > 0.5).sum(axis=1)
        same = [on[COUNT == n] for n in range(5)]
        rows.append([units[0] if np.ptp(units) == 0 else np.nan for units in same])
    return np.array(rows)


def main() -> None:
    """Train from 20 starts, then look at what the hidden units count."""
    found = trials()
    print(f"4 hidden units: {found}; 1986: 2825")
    units = counting(found)
    steps = np.abs(np.diff(units, axis=1)) == 1
    counted = int(steps.all(axis=1).sum())
    print(
        f"The hidden units count, up or down by one, in {counted} of these {len(units)} networks."
    )
    print("Hidden units that are on at 0, 1, 2, 3, 4 ones, in the first:", units[0])


if __name__ == "__main__":
    main()

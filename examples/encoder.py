"""The encoder 8-3-8: eight patterns through three units, which have to invent a code.

Rumelhart, Hinton and Williams (1986, Parallel Distributed Processing, chapter 8). Input and target are
the same pattern, one of eight units on. Three bits are just enough; a network may also use values between 0
and 1. The settings are ours: learning rate 0.25, momentum 0.9, changes after each pattern.
"""

import numpy as np

import deltarule as dr

from trials import Trials, train

X = np.eye(8)
NET = dr.Sequential(dr.Dense(3, "logistic"), dr.Dense(8, "logistic"))


def trials(starts: int = 20, sweeps: int = 3000) -> Trials:
    """Train it to repeat its input."""
    return train(NET, X, X, rate=0.25, momentum=0.9, sweeps=sweeps, starts=starts)


def codes(found: Trials) -> np.ndarray:
    """The three hidden outputs of each of the eight patterns, for each start that learned."""
    hidden = NET.layers[0]
    learned = np.flatnonzero(found.learned)
    return np.array([hidden(X, params=found.of(start)["dense1"]) for start in learned])


def binary(code: np.ndarray) -> bool:
    """Whether the eight patterns have eight different codes of three bits."""
    return len(np.unique(code > 0.5, axis=0)) == 8


def main() -> None:
    """Train from 20 starts, then read the codes."""
    found = trials()
    print(f"8-3-8: {found}")
    all_codes = codes(found)
    kinds = np.array([binary(code) for code in all_codes])
    print(f"Rounded to bits, the eight codes differ in {kinds.sum()} of these {len(kinds)}.")
    for name, kind in (("that stays a code when rounded", kinds), ("that does not", ~kinds)):
        if kind.any():
            print(f"\nOne {name}:")
            for pattern, code in zip(X.astype(int), all_codes[kind][0], strict=True):
                print("  ", *pattern, " -> ", *(f"{value:.1f}" for value in code))


if __name__ == "__main__":
    main()

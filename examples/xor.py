"""Exclusive or: the problem that one layer cannot solve, and one hidden unit more can.

Rumelhart, Hinton and Williams (1986, Parallel Distributed Processing, chapter 8) trained a network with one
hidden unit beside direct connections from input to output: learned after 558 sweeps, at a learning rate of
0.5; momentum was about 0.9 in most of their work. With h hidden units and no direct connections they give
280 - 33 log2(h) presentations. The weights change after each pattern.
"""

import numpy as np

import deltarule as dr

from trials import Trials, bits, train

X = bits(2)
T = X[:, :1] != X[:, 1:]  # 0 1 1 0
HIDDEN = (2, 4, 8, 16, 32)


class Direct(dr.Module):
    """One hidden unit; the output unit sees it and both inputs."""

    def __init__(self):
        self.hidden = dr.Dense(1, "logistic")
        self.output = dr.Dense(1, "logistic")

    def __call__(self, x):
        """Outputs of patterns."""
        return self.output(np.concatenate([x, self.hidden(x)], axis=1))


def layered(hidden: int) -> dr.Module:
    """2 - hidden - 1, every unit logistic."""
    return dr.Sequential(dr.Dense(hidden, "logistic"), dr.Dense(1, "logistic"))


def trials(net: dr.Module, starts: int = 20, sweeps: int = 3000) -> Trials:
    """Train it as they did."""
    return train(net, X, T.astype(float), rate=0.5, momentum=0.9, sweeps=sweeps, starts=starts)


def main() -> None:
    """Both kinds of network, from 20 starts each."""
    direct = trials(Direct())
    print(f"1 hidden unit, direct connections: {direct}; 1986: 558")
    for hidden in HIDDEN:
        formula = 280 - 33 * np.log2(hidden)
        print(f"{hidden:>2} hidden units: {trials(layered(hidden))}; 1986: {formula:.0f}")
    net = Direct().init(X.shape, dtype="float64")
    p = direct.of(int(np.argmax(direct.learned)))
    print("\nThe outputs of one that learned, for 00 01 10 11:", net(X, params=p)[:, 0].round(2))
    print("What its hidden unit answers:", net.hidden(X, params=p["hidden"])[:, 0].round(2))
    print("Weights into the output unit:", p["output"]["weight"][:, 0].round(1))


if __name__ == "__main__":
    main()

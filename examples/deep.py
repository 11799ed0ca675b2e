"""Thirty hidden layers: why logistic units do not train them, and four remedies, one at a time.

Backward, the error passes each layer by a product with its weights and with the slope of its units. The
slope of the logistic function is 1/4 at most; with weights from U(-0.3, 0.3), as in 1986, a third of the
gradient is left after each layer of 64 units, and nothing after thirty. The remedies: weights of the right
spread (Glorot and Bengio 2010; He and others 2015), rectified units, batch normalization (Ioffe and Szegedy
2015), and a way around each layer (He and others 2016). Everything else stays: digits of 8 x 8 pixels, Adam,
40 epochs, one seed.

``python examples/deep.py`` prints the table, ``python examples/deep.py FILE.png`` draws the gradients, too.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import deltarule as dr

DEPTH, UNITS, EPOCHS, BATCH = 30, 64, 40, 32
OF_1986 = dr.nn.initializer("uniform", low=-0.3, high=0.3)


def chain(
    activation: str, weights: Any, around: Callable[..., dr.Module] | None = None
) -> dr.Module:
    """Thirty layers and an output layer; ``around`` makes a block of a layer."""
    first, *others = (dr.Dense(UNITS, activation, initializer=weights) for _ in range(DEPTH))
    blocks = map(around, others) if around else others
    return dr.Sequential(first, *blocks, dr.Dense(10, initializer=weights))


def normalized() -> dr.Module:
    """Logistic units, each with its weighted sums normalized over the batch."""
    layers = []
    for _ in range(DEPTH):
        layers += [dr.Dense(UNITS, initializer=OF_1986), dr.BatchNorm(), dr.Activation("logistic")]
    return dr.Sequential(*layers, dr.Dense(10, initializer=OF_1986))


def fitted(X: np.ndarray) -> dr.Module:
    """Logistic units with weights of the spread that suits them.

    1 / (1 + e^-z) = 1/2 + tanh(z/2) / 2: slope 1/4 and mean 1/2. Glorot's spread is for slope 1 and mean 0,
    so the weights are four times as large, and the biases take the means of the inputs away.
    """
    net = chain("logistic", "glorot_uniform").init(X.shape)
    params = net.params
    for number, layer in enumerate(params.values()):
        layer["weight"] = 4 * layer["weight"]
        if number:
            layer["bias"] = -layer["weight"].sum(axis=0) / 2
    net.params = params
    return net


def started(net: dr.Module, X: np.ndarray) -> dr.Module:
    """The network with its first weights, where it has none yet."""
    return net if net.built else net.init(X.shape)


def networks(X: np.ndarray) -> dict[str, dr.Module]:
    """The one of 1986, and what was found since."""
    return {
        "logistic, U(-0.3, 0.3)": chain("logistic", OF_1986),
        "logistic, Glorot": chain("logistic", "glorot_uniform"),
        "logistic, Glorot for its slope": fitted(X),
        "tanh, Glorot": chain("tanh", "glorot_uniform"),
        "relu, U(-0.3, 0.3)": chain("relu", OF_1986),
        "relu, He": chain("relu", "he_normal"),
        "logistic, batch norm": normalized(),
        "logistic, residual": chain("logistic", OF_1986, around=dr.Residual),
    }


@dataclass(frozen=True)
class Result:
    """The gradient that each layer's weights get at first (root mean square), and the training's end."""

    gradients: np.ndarray
    loss: float
    accuracy: float


def gradients(net: dr.Module, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Root mean square of dL/dW for the layers in order."""
    loss = dr.nn.loss_of("cross_entropy")
    found = dr.grad(lambda p: loss(net(X, params=p, train=True), y))(net.params)
    sizes = []
    for path, layer in net.walk():
        if isinstance(layer, dr.Dense):
            of_layer = found
            for name in path:
                of_layer = of_layer[name]
            sizes.append(np.sqrt(np.mean(of_layer["weight"] ** 2)))
    return np.array(sizes)


def run(net: dr.Module, data: list[np.ndarray], epochs: int = EPOCHS) -> Result:
    """Look at the gradients, train, look at the digits held out."""
    X, X_test, y, y_test = data
    sizes = gradients(started(net, X), X, y)
    rule = dr.Adam(dr.CosineDecay(1e-3, epochs * -(-len(X) // BATCH)))
    settings = {"optimizer": rule, "epochs": epochs, "batch_size": BATCH, "seed": 0}
    done = dr.fit(net, X, y, loss="cross_entropy", progress=False, **settings)
    return Result(
        sizes, done.history["loss"][-1], float(np.mean(net(X_test).argmax(axis=1) == y_test))
    )


def digits() -> list[np.ndarray]:
    """1,347 images to train on, 450 to try."""
    X, y = load_digits(return_X_y=True)
    images = (X / 16).astype(np.float32)
    return train_test_split(images, y, test_size=450, random_state=0, stratify=y)


def draw(results: dict[str, Result], path: str) -> None:
    """A line for each network: the gradient of its layers at the start."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for name, result in results.items():
        trained = result.accuracy > 0.5
        label = f"{name} ({result.accuracy:.0%})"
        style = {"marker": "o", "markersize": 3, "linestyle": "-" if trained else ":"}
        axes.plot(np.arange(1, DEPTH + 2), result.gradients, label=label, **style)
    axes.set(yscale="log", xlabel="layer", ylabel="dL/dW at the start, root mean square")
    axes.set_title(
        f"{DEPTH} hidden layers on digits; in brackets the accuracy after {EPOCHS} epochs"
    )
    axes.legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    """Train all, print the table, draw the picture where one is asked for."""
    data = digits()
    results = {}
    print(f"{'':<32}{'gradient at layer':>20}{'loss at':>11}{'accuracy on':>14}")
    print(f"{'':<32}{1:>10}{DEPTH:>10}{'the end':>11}{'new digits':>14}")
    for name, net in networks(data[0]).items():
        result = results[name] = run(net, data)
        first, last = result.gradients[0], result.gradients[DEPTH - 1]
        print(f"{name:<32}{first:>10.1e}{last:>10.1e}{result.loss:>11.3f}{result.accuracy:>13.1%}")
    if len(sys.argv) > 1:
        draw(results, sys.argv[1])


if __name__ == "__main__":
    main()

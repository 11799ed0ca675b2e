"""``deltarule demo``: house prices and handwritten digits, trained in front of you.

In: the data that the project ships, and the digits that scikit-learn carries. Out: each network's score
beside the baseline's, one step of gradient descent in numbers, and a model and a plot in a folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from deltarule.cli import show
from deltarule.cli.place import check_folder
from deltarule.errors import DataError
from deltarule.train.scores import Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deltarule.nn import Module

EXAMPLES = """\
deltarule demo digits --quick
deltarule demo houses --quick --out first_models
"""
SEEN = {
    "houses": (
        "A table became numbers: scaled, categories marked, gaps filled. A network learned from one "
        "part of its rows, stopped when its error on a second part did, and was scored on a third that "
        "it had not seen, beside the best answer without inputs. One of its weights was moved along its "
        "gradient, and the gradient checked by moving the weight by hand."
    ),
    "digits": (
        "The same loop read 64 pixels instead of columns and said one of ten digits; the curves of both "
        "errors are in the picture beside the model."
    ),
}
NEXT = (
    "deltarule train YOUR_TABLE.csv --target COLUMN",
    "deltarule explain EXAMPLE.toml      every number of a training step; examples/worked has some",
)
HOUSES = Path(__file__).parents[3] / "examples" / "data" / "california_housing.csv.gz"


def demo(
    which: Annotated[
        str, typer.Argument(metavar="WHICH", help="houses, digits, or all of them.")
    ] = "all",
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for models and plots.")
    ] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="A few epochs, to see that it runs.")
    ] = False,
) -> None:
    """Train on the price of houses and on handwritten digits."""
    demos = {"houses": houses, "digits": digits}
    if which not in (*demos, "all"):
        raise typer.BadParameter(
            f"there is no demo {which!r}; there are {', '.join(demos)} and all"
        )
    check_folder(out)
    chosen = list(demos) if which == "all" else [which]
    for name in chosen:
        demos[name](out, 3 if quick else 100)
    show.heading("What you have just seen")
    show.paragraph(" ".join(SEEN[name] for name in chosen))
    show.heading("Next")
    show.paragraph("\n".join([*(f"deltarule inspect {out / name}.dr" for name in chosen), *NEXT]))


def houses(out: Path, epochs: int) -> None:
    """California housing: the price of a house from nine columns, one of them text."""
    import deltarule as dr
    from deltarule.data import read_table
    from deltarule.train.table import train_table

    if not HOUSES.exists():
        raise DataError(
            f"The houses are not at {HOUSES}: they come with the source, not with the installed package. "
            "Run the demo in a clone of the repository, or: deltarule demo digits"
        )
    show.heading("House prices, California 1990")
    trained = train_table(HOUSES, "median_house_value", epochs=epochs)
    show.remarks(trained.notes)
    show.trained(trained)
    dr.save(trained.model, out / "houses.dr", preprocessor=trained.preprocessor)
    trained.run.plot(out / "houses.png")

    row = read_table(HOUSES).slice(0, 1)
    inputs, target = trained.preprocessor.inputs(row), trained.preprocessor.targets(row)
    worked_step(trained.model, inputs, target)
    show.saved(out / "houses.dr", out / "houses.png")


def digits(out: Path, epochs: int) -> None:
    """Handwritten digits of 8 x 8 pixels, ten classes."""
    from sklearn.datasets import load_digits

    import deltarule as dr
    from deltarule.data import baseline, score, split

    show.heading("Handwritten digits, 8 x 8 pixels")
    pixels, labels = load_digits(return_X_y=True)
    inputs = (pixels / 16).astype(np.float32)
    train, validation, test = split(len(labels), (0.7, 0.15, 0.15), seed=0, stratify=labels)
    net = dr.Sequential(dr.Dense(64, "relu"), dr.Dense(10))
    run = dr.fit(
        net,
        inputs[train],
        labels[train],
        loss="cross_entropy",
        optimizer=dr.Adam(1e-3),
        epochs=epochs,
        validation=(inputs[validation], labels[validation]),
        seed=0,
        callbacks=[dr.EarlyStopping()],
    )
    constant = baseline("classification", labels[train], labels[test])
    show.lasted(run)
    accuracy = score("classification", net(inputs[test]).argmax(axis=1), labels[test])
    show.scores(
        f"digit, {len(test)} images held out",
        Scores({"accuracy": accuracy}, {"accuracy": constant.score}),
    )
    dr.save(net, out / "digits.dr")
    run.plot(out / "digits.png")
    show.saved(out / "digits.dr", out / "digits.png")


def worked_step(net: Module, x: NDArray[Any], y: NDArray[Any]) -> None:
    """Print one step of gradient descent for one weight and one row, and check its gradient by hand."""
    import deltarule as dr

    layers = {
        layer: {name: value.astype(np.float64) for name, value in weights.items()}
        for layer, weights in net.params.items()
    }
    x, y = x.astype(np.float64), y.astype(np.float64)
    last = list(layers)[-1]

    def loss(weight: NDArray[np.float64]) -> Any:
        params = {**layers, last: {**layers[last], "weight": weight}}
        return np.mean((net(x, params=params) - y) ** 2)

    weight = layers[last]["weight"]
    before, gradient = dr.value_and_grad(loss)(weight)
    place = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)
    moved = np.zeros_like(weight)
    moved[place] = 1.0
    rate, nudge = 0.01, 1e-6
    measured = (loss(weight + nudge * moved) - loss(weight - nudge * moved)) / (2 * nudge)
    after = loss(weight - rate * gradient[place] * moved)
    i, j = place
    show.table(
        "One step of gradient descent, for one house and one weight",
        ("quantity", "value"),
        (
            (
                "prediction, target (price, standardized)",
                f"{net(x, params=layers).item():.6f}, {y.item():.6f}",
            ),
            ("loss = (prediction - target)^2", f"{before:.6f}"),
            (f"w = {last}.weight[{i}, {j}]", f"{weight[place]:.6f}"),
            ("dloss/dw, by backpropagation", f"{gradient[place]:.6f}"),
            (f"dloss/dw, by moving w by {nudge:g} both ways", f"{measured:.6f}"),
            (f"new w = w - {rate:g} dloss/dw", f"{weight[place] - rate * gradient[place]:.6f}"),
            ("loss with the new w", f"{after:.6f}"),
        ),
        left=("quantity",),
    )

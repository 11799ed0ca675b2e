"""Draw the picture of the README: house prices of California, predicted by a network that this script trains.

In: the table in `examples/data`. Out: `houses.png` beside this file.
"""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import deltarule as dr
from deltarule.data import read_table, split

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "examples" / "data" / "california_housing.csv.gz"
TARGET = "median_house_value"


def main() -> None:
    """Train on half of the rows, draw the other half."""
    table = read_table(TABLE)
    known, unseen = (table.take(rows) for rows in split(table.num_rows, (0.5, 0.5), seed=0))
    trained = dr.train_table(known, TARGET, seed=0, progress=False)
    predicted = dr.predict_table(trained.model, unseen).values / 1000
    actual = unseen[TARGET].to_numpy() / 1000
    figure, (place, scatter, curves) = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
    where = unseen["longitude"].to_numpy(), unseen["latitude"].to_numpy()
    points = place.scatter(*where, c=predicted, s=3, cmap="viridis", vmin=0, vmax=500)
    place.set(title="predicted price of houses not seen", xlabel="longitude", ylabel="latitude")
    figure.colorbar(points, ax=place, label="1,000 dollars")
    scatter.scatter(actual, predicted, s=2, alpha=0.3)
    scatter.axline((0, 0), slope=1, color="0.3", linewidth=1)
    scatter.axhline(actual.mean(), color="tab:red", linestyle=":", label="baseline: the mean")
    error, plain = (np.sqrt(np.mean((actual - p) ** 2)) for p in (predicted, actual.mean()))
    scatter.set(
        title=f"error {error:.1f} (RMSE); baseline {plain:.1f}", xlim=(0, 510), ylim=(0, 560)
    )
    scatter.set(xlabel="actual price, 1,000 dollars", ylabel="predicted")
    scatter.legend(loc="upper left")
    history = trained.run.history
    epochs = range(1, trained.run.epochs + 1)
    curves.plot(epochs, history["loss"], label="training")
    curves.plot(epochs, history["val_loss"], label="validation")
    curves.axvline(trained.run.best["epoch"], color="0.6", linestyle=":", label="best, restored")
    curves.set(
        title=f"{trained.run.epochs} epochs in {trained.run.seconds:.1f} s",
        xlabel="epoch",
        yscale="log",
    )
    curves.set_ylabel("mean squared error, standardized price")
    curves.legend()
    figure.savefig(HERE / "houses.png", dpi=100)


if __name__ == "__main__":
    main()

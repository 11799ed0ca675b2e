"""Where files go: whether they can, before work is done for them; and a model is never lost.

In: paths. Out: files written whole, or an error that says which, why, and what to do.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deltarule.cli.help import say
from deltarule.data.place import check_writable
from deltarule.errors import ModelFileError, WriteError

if TYPE_CHECKING:
    from deltarule.nn import Module
    from deltarule.train import Run

PICTURES = (".png", ".svg", ".pdf")


def check_place(path: Path, flag: str) -> None:
    """Raise where a file cannot be written, before anything is done."""
    try:
        check_writable(path)
    except WriteError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None


def check_folder(path: Path) -> None:
    """Make a folder for several files, where there is none yet."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(
            f"{path} cannot be made: {error.strerror}; name another folder", param_hint="--out"
        ) from None
    check_place(path / "model.dr", "--out")


def check_plot(path: Path) -> None:
    """Raise where a picture cannot be written there."""
    if path.suffix.lower() not in PICTURES:
        raise typer.BadParameter(
            f"{path} ends in none of {', '.join(PICTURES)}", param_hint="--plot"
        )
    check_place(path, "--plot")


def keep(net: Module, path: Path, run: Run) -> Path:
    """Save a model; where its place fails after all, in the folder for temporary files, and say so.

    Returns
    -------
    Path
        Where it is.
    """
    from deltarule.train.checkpoint import save

    try:
        save(net, path, run=run)
        return path
    except ModelFileError as error:
        elsewhere = Path(tempfile.mkdtemp(prefix="deltarule-")) / path.name
        save(net, elsewhere, run=run)
        say("error", f"{error}. The model is not lost: it is saved in {elsewhere}")
        return elsewhere

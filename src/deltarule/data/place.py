"""Whether a file can be read or written where it is asked for, and what to do where it cannot.

In: a path. Out: nothing, or an error that names the path, the reason and the cure.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterable
from pathlib import Path

from deltarule.errors import DeltaruleError, WriteError


def nearest(name: str, names: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the name most like the one given, capitals aside, or ``None`` where none is near.

    >>> nearest("Prise", ["rooms", "price"]), nearest("x", ["rooms"])
    ('price', None)
    """
    lowered = {other.lower(): other for other in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=likeness)
    return lowered[found[0]] if found else None


def _nearest_file(name: str, names: list[str]) -> str | None:
    """The name that is like the one given before its first point: endings make strangers alike."""
    near = nearest(name.split(".")[0], [other.split(".")[0] for other in names], 0.7)
    same = [other for other in names if near and other.split(".")[0] == near]
    return (nearest(name, same) or same[0]) if same else None


def bytes_of(path: Path, error: type[DeltaruleError]) -> bytes:
    """Return what a file holds; `error` where there is none (the nearest is offered) or it is closed."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        folder = path.parent
        if not folder.is_dir():
            raise error(f"There is no file {path}: the folder {folder} does not exist.") from None
        near = _nearest_file(path.name, [entry.name for entry in folder.iterdir()])
        offer = f"did you mean {str(folder / near)!r}?" if near else "check the path."
        raise error(f"There is no file {path}; {offer}") from None
    except IsADirectoryError:
        raise error(f"{path} is a folder. Name one file in it.") from None
    except (OSError, ValueError) as reason:
        raise error(f"{path} cannot be read: {_reason(reason)}. Check its permissions.") from None


def text_of(path: Path, error: type[DeltaruleError]) -> str:
    """Return a file's text, in UTF-8, in UTF-16 with its mark, or as older Windows programs write it."""
    raw = bytes_of(path, error)
    try:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            return raw.decode("utf-16")
        if b"\0" in raw:
            raise error(f"{path} cannot be read as text: it has zero bytes. Name a text file.")
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            return raw.decode("cp1252")
    except UnicodeDecodeError:
        raise error(
            f"{path} cannot be read as text: its bytes are none. Save it as UTF-8."
        ) from None


def check_writable(path: Path) -> None:
    """Raise a WriteError where no file of that name can be written; asked before the work is done."""
    folder = path.parent
    if not folder.is_dir():
        raise WriteError(f"the folder of {path} does not exist; make it first: mkdir -p {folder}")
    if path.is_dir():
        raise WriteError(f"{path} is a folder; name a file in it")
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{path.name}.") as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as reason:
        raise not_written(path, reason) from None


def not_written(path: Path, reason: OSError) -> WriteError:
    """Return the error for a file that could not be finished; an old one is still there, whole."""
    kept = f" The old {path} is as it was." if path.exists() else ""
    return WriteError(
        f"{path} cannot be written: {_reason(reason)}.{kept} Free some space, or name another folder."
    )


def _reason(error: OSError | ValueError) -> str:
    return str(getattr(error, "strerror", None) or error)

"""Machine code kept on disk, so that the next process compiles nothing that this one has compiled.

In: the name of a program, plain data and code. Out: the same, in any later process. An entry is one
file, written whole, checked when it is read; where nothing can be read or written, nothing is kept.

``DELTARULE_CACHE`` names the folder (``off``: none), ``DELTARULE_CACHE_SIZE`` its size in megabytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from deltarule.errors import CompileError

Entry = tuple[dict[str, Any], bytes]  # plain data, code

MAGIC = b"deltarule code 1\n"
DIGEST = 32  # bytes of the checksum
LENGTH = 8  # bytes of the length of the plain data
ENDING = ".deltarule"
MEGABYTES = 256.0
SOURCES = ("compile", "program")  # the folders that decide what a graph becomes
_BINARY = getattr(os, "O_BINARY", 0)  # Windows has text files too


def folder() -> Path | None:
    """Where entries are kept: DELTARULE_CACHE, or below the user's cache; None where that is off."""
    word = os.environ.get("DELTARULE_CACHE", "")
    if word.lower() == "off":
        return None
    try:
        return Path(word).expanduser() if word else user_folder() / "deltarule"
    except RuntimeError:  # nobody's home
        return None


def user_folder() -> Path:
    """Where this system keeps what programs can make again."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    name = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    given = Path(os.environ.get(name, ""))
    return given if given.is_absolute() else Path.home() / ".cache"


def most_bytes() -> int:
    """How large all entries together may grow.

    Raises
    ------
    CompileError
        Where DELTARULE_CACHE_SIZE is no number of megabytes.
    """
    word = os.environ.get("DELTARULE_CACHE_SIZE") or str(MEGABYTES)
    try:
        size = float(word)
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise CompileError(
            f"DELTARULE_CACHE_SIZE is {word!r}; it is a number of megabytes, as in 256"
        )
    return int(size * 2**20)


@lru_cache(maxsize=1)
def own_sources() -> str:
    """A digest of the compiler itself: no entry outlives a change of what would have made it."""
    digest = hashlib.blake2b(digest_size=DIGEST)
    root = Path(__file__).parents[1]
    for path in sorted(path for name in SOURCES for path in (root / name).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def name_of(*parts: str) -> str:
    """The name of what is made of these parts by this version of the compiler."""
    digest = hashlib.blake2b(digest_size=DIGEST)
    for part in (own_sources(), *parts):
        data = part.encode()
        digest.update(len(data).to_bytes(LENGTH, "little"))
        digest.update(data)
    return digest.hexdigest()


def get(name: str) -> Entry | None:
    """What is kept under a name; None where that is nothing, or nothing whole."""
    place = folder()
    if place is None:
        return None
    path = place / (name + ENDING)
    try:
        with path.open("rb") as file:
            if not trusted(os.fstat(file.fileno())):
                return None
            raw = file.read()
    except OSError:
        return None
    with suppress(OSError):
        os.utime(path)  # used last now
    return unpacked(raw, name)


def put(name: str, about: dict[str, Any], code: bytes) -> None:
    """Keep an entry, if that can be done; the entries used longest ago make room for it."""
    place, most = folder(), most_bytes()
    raw = packed(name, about, code)
    if place is None or len(raw) > most:
        return
    unfinished = place / f"{name}.{os.getpid()}.{threading.get_ident()}{ENDING}"
    with suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY
            with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
                file.write(raw)
            os.replace(unfinished, place / (name + ENDING))
        finally:
            unfinished.unlink(missing_ok=True)
        make_room(place, most)


def packed(name: str, about: dict[str, Any], code: bytes) -> bytes:
    """An entry as it is written."""
    text = json.dumps({"name": name, **about}).encode()
    rest = len(text).to_bytes(LENGTH, "little") + text + code
    return MAGIC + checksum(rest) + rest


def unpacked(raw: bytes, name: str) -> Entry | None:
    """An entry as it is read: None where it is another one, of another form, or damaged."""
    start = len(MAGIC) + DIGEST
    digest, rest = raw[len(MAGIC) : start], raw[start:]
    if not raw.startswith(MAGIC) or digest != checksum(rest):
        return None
    end = LENGTH + int.from_bytes(rest[:LENGTH], "little")
    about = json.loads(rest[LENGTH:end])
    return (about, rest[end:]) if about.pop("name") == name else None


def checksum(data: bytes) -> bytes:
    """What tells that not one bit has changed."""
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def trusted(status: os.stat_result) -> bool:
    """Whether nobody but this user and the system's owner can have written a file."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & 0o022


def make_room(place: Path, most: int) -> None:
    """Remove the entries used longest ago until the others fit."""
    found = []
    with os.scandir(place) as items:
        for item in items:
            if item.name.endswith(ENDING):
                with suppress(OSError):  # removed by another process since
                    status = item.stat()
                    found.append((status.st_mtime_ns, status.st_size, item.path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        with suppress(OSError):
            os.unlink(path)
        total -= size

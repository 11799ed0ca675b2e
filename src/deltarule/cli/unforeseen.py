"""What the command line says of an error that nobody foresaw: too little memory, or a bug of ours.

In: an exception that is none of ours. Out: one line for the user, which asks for a report of a bug.
"""

from __future__ import annotations

import os
import traceback


def unforeseen(error: Exception) -> str:
    """Return what happened, where, and what to do; with ``DELTARULE_TRACEBACK=1`` all of its calls.

    >>> unforeseen(MemoryError("Unable to allocate 4 TiB"))
    'there is not enough memory: Unable to allocate 4 TiB. Give fewer rows or units'
    """
    if isinstance(error, MemoryError):
        reason = f": {error}" if str(error) else ""
        return f"there is not enough memory{reason}. Give fewer rows or units"
    if os.environ.get("DELTARULE_TRACEBACK") == "1":
        return "".join(traceback.format_exception(error)).rstrip()
    calls = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(calls[-1].filename)}:{calls[-1].lineno}" if calls else ""
    said = " ".join(str(error).split())[:200]
    return (
        f"this is a bug of deltarule, not of yours: {type(error).__name__}{place}: {said}. Please report "
        "it with the command and what DELTARULE_TRACEBACK=1 deltarule ... prints"
    )

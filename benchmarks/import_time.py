"""What `import deltarule` takes beside `import numpy`, each in a fresh process.

In: nothing. Out: milliseconds inside the process, from before the import to after it; medians, by turns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from measure import write

MODULES = ["numpy", "deltarule"]
SCRIPT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def seconds(module: str) -> float:
    """The seconds of one import in a new interpreter."""
    command = [sys.executable, "-c", SCRIPT.format(module)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(repeats: int = 15) -> None:
    """Import each module once unmeasured, to fill the caches of the disk, then by turns."""
    times: dict[str, list[float]] = {module: [] for module in MODULES}
    for turn in range(repeats + 1):
        for module in MODULES:
            taken = seconds(module)
            if turn:
                times[module].append(taken)
    millis = {module: statistics.median(taken) * 1e3 for module, taken in times.items()}
    for module, value in millis.items():
        print(f"import {module:<12}{value:>8.1f} ms")
    write("import_time", {"repeats": repeats, "milliseconds": millis})


if __name__ == "__main__":
    main()

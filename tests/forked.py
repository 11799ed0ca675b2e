"""Use threads, fork, and use them in both processes. Out: exit status 0."""

from __future__ import annotations

import os
import signal
import threading

from compiling import native
from products import product_program_of
from sharing import all_split, assert_same_bits, real_args


def main() -> None:
    graph = product_program_of(3).graph
    with all_split(3):
        code = native(graph)
    args = real_args(graph)
    wanted = code(args, frozenset())
    stop = threading.Event()

    def use() -> None:
        while not stop.is_set():
            code(args, frozenset())

    other = threading.Thread(target=use)  # it may have the helpers at the time of the fork
    other.start()
    children = []
    for _ in range(5):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            for _ in range(5):
                assert_same_bits(code(args, frozenset()), wanted, "in the child")
            os._exit(0)
        children.append(child)
        assert_same_bits(code(args, frozenset()), wanted, "in the parent")
    stop.set()
    other.join()
    for child in children:
        assert os.waitpid(child, 0)[1] == 0, "a child failed, or waited for ever"
    assert_same_bits(code(args, frozenset()), wanted, "in the parent, at the end")


if __name__ == "__main__":
    main()

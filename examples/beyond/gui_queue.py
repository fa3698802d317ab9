"""A window that stays alive while processes work: results and progress arrive in its own loop.

The loop below stands for that of a GUI. Callbacks of futures run in a thread of the executor, which
must not touch a window; so all they do is put into the loop's queue what has arrived. With Tkinter
that queue is looked through by ``root.after``; Qt and GTK have one of their own.
"""

import threading
from concurrent.futures import Future
from queue import SimpleQueue

from taskpar import QueueExecutor

STARTS = range(0, 6000, 1000)


class Window:
    """As much of a GUI as is needed: a loop, its queue, and widgets that mind their thread."""

    def __init__(self) -> None:
        self.arrived = SimpleQueue[Future[tuple[int, int]]]()
        self.rows: dict[int, int] = {}
        self.thread = threading.get_ident()

    def show(self, start: int, total: int) -> None:
        """Show a result and the progress; as all widgets, in the thread of the loop only."""
        assert threading.get_ident() == self.thread
        self.rows[start] = total
        print(f"{len(self.rows)} of {len(STARTS)} done")

    def loop(self) -> None:
        """Show what arrives, until all rows are filled."""
        while len(self.rows) < len(STARTS):
            self.show(*self.arrived.get().result())


def long_sum(start: int) -> tuple[int, int]:
    return start, sum(number * number for number in range(start, start + 200_000))


window = Window()
with QueueExecutor() as executor:
    for start in STARTS:
        executor.submit(long_sum, start).add_done_callback(window.arrived.put)
    window.loop()

for start, total in sorted(window.rows.items()):
    print(f"from {start}: {total}")

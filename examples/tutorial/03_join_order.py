"""Three children of 3, 2 and 1 units: all are started before the first is waited for.

Waiting for each before the next is started makes a serial program of it: 6 units instead of 3.
"""

import time

from taskpar import ProcessExecutor

UNIT = 0.3  # seconds


def sleep(units: int) -> tuple[int, float, float]:
    began = time.time()
    time.sleep(units * UNIT)
    return units, began, time.time()


with ProcessExecutor(3) as executor:
    start = time.perf_counter()
    futures = [executor.submit(sleep, units) for units in (3, 2, 1)]
    for future in futures:
        print("the child of", future.result()[0], "units is done")
    together = time.perf_counter() - start
    _, began, ended = zip(*[future.result() for future in futures], strict=True)

    start = time.perf_counter()
    for units in (3, 2, 1):
        executor.submit(sleep, units).result()
    in_turn = time.perf_counter() - start

print("the last began before the first was done:", max(began) < min(ended))
print(f"together {together:.2f} s, one after the other {in_turn:.2f} s")
print(f"ratio {together / in_turn:.2f}")

"""A pool of workers squares four numbers, taking its time.

There are as many workers as there are CPUs that this process may really use.
"""

import time

from taskpar import PoolExecutor, available_cpus


def square(x: int) -> int:
    time.sleep(0.2)
    return x * x


start = time.perf_counter()
with PoolExecutor() as executor:
    print(list(executor.map(square, (2, 4, 6, 8))))
print(f"{time.perf_counter() - start:.2f} s with {available_cpus()} workers")

"""Pi by throwing darts: the same estimate on every executor, with any number of workers.

Each chunk of darts has a random generator of its own, seeded by its number.
"""

import time
from random import Random

from taskpar import parallel

SEED, CHUNKS, DARTS = 1, 20, 50_000


@parallel
def hits(chunk: int) -> int:
    random = Random(f"{SEED}-{chunk}").random
    return sum(random() ** 2 + random() ** 2 <= 1 for _ in range(DARTS))


start = time.perf_counter()
estimate = 4 * sum(hits.map(range(CHUNKS))) / (CHUNKS * DARTS)
print(f"pi is about {estimate} ({time.perf_counter() - start:.2f} s)")

"""Digits of pi by the formula of Bailey, Borwein and Plouffe, in three precisions.

The longest task is more than half of the work, so it comes first, and no number of workers is
faster than it alone.
"""

import time
from decimal import Decimal, localcontext

from taskpar import parallel


@parallel
def pi(digits: int) -> str:
    with localcontext(prec=digits + 10):
        terms = (
            (Decimal(4) / (8 * k + 1) - Decimal(2) / (8 * k + 4))
            - (Decimal(1) / (8 * k + 5) + Decimal(1) / (8 * k + 6))
            for k in range(digits)
        )
        return str(sum(term / 16**k for k, term in enumerate(terms)))[: digits + 2]


precisions = (2000, 1500, 1000)

start = time.perf_counter()
serial = list(map(pi, precisions))
seconds = time.perf_counter() - start

start = time.perf_counter()
parallel_too = list(pi.map(precisions))
print(f"serial {seconds:.3f} s, parallel {time.perf_counter() - start:.3f} s, workers' start too")

for digits, text in zip(precisions, parallel_too, strict=True):
    print(f"{digits} digits: {text[:10]}...{text[-10:]}")
print("the same digits:", parallel_too == serial)

"""Pi in two ways, in tasks that know nothing of each other: for demo.py.

The programs 11 and 17 of the tutorial are the same, smaller, each in one file.
"""

from decimal import Decimal, localcontext
from random import Random


def digits(number: int) -> str:
    """Compute decimals of pi by the formula of Bailey, Borwein and Plouffe.

    Source: Bailey, Borwein, Plouffe: On the Rapid Computation of Various Polylogarithmic Constants,
    Mathematics of Computation 66 (1997).
    """
    with localcontext(prec=number + 10):  # some more, for the rounding of each term
        terms = (
            (Decimal(4) / (8 * k + 1) - Decimal(2) / (8 * k + 4))
            - (Decimal(1) / (8 * k + 5) + Decimal(1) / (8 * k + 6))
            for k in range(number)
        )
        return str(sum(term / 16**k for k, term in enumerate(terms)))[: number + 2]


def hits(seed: int, chunk: int, darts: int) -> int:
    """Throw darts at a square, and count those in the circle; all depends on the arguments alone.

    A generator for each chunk, seeded by its number: so it does not matter who throws which.
    """
    random = Random(f"{seed}-{chunk}").random
    return sum(random() ** 2 + random() ** 2 <= 1 for _ in range(darts))

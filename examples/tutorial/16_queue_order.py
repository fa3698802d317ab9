"""Squares that are ready in any order, and come home in that of their calls, while they stream."""

import time
from random import Random

from taskpar import parallel


@parallel
def square(x: int) -> int:
    time.sleep(Random(x).uniform(0, 0.2))
    return x * x


numbers = [2, 4, 6, 3, 5, 8, 9, 7]
print("as they come:", list(square.map_unordered(numbers)))
print("in order:", list(square.map(numbers)))

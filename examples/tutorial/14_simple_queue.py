"""Four workers draw random numbers; whoever is ready first is heard first."""

import time
from random import Random

from taskpar import parallel


@parallel
def draw(number: int) -> tuple[int, int]:
    random = Random(f"draw {number}")  # seeded: the same drawings on every run
    time.sleep(random.uniform(0, 0.3))
    return number, random.randint(0, 100)


drawn = []
for number, value in draw.map_unordered(range(4)):
    print(f"worker {number} has drawn {value}")
    drawn.append((number, value))
print("in order:", sorted(drawn))

"""Four words in a queue, four workers that read one each: who is idle takes the next."""

import time
from multiprocessing import current_process

from taskpar import QueueExecutor


def read(word: str) -> str:
    time.sleep(0.1)
    return f"{current_process().name} reads {word}"


with QueueExecutor(4) as executor:
    for line in executor.map_unordered(read, ["sky", "rock", "cloud", "wolf"]):
        print(line)

"""Processes have their own memory: what a worker does to a global list stays there."""

from taskpar import ProcessExecutor

numbers = [1, 2]


def extend() -> list[int]:
    numbers.extend([3, 4, 5])
    return numbers


with ProcessExecutor() as executor:
    print("the worker's list:", executor.submit(extend).result())
print("our list:", numbers)

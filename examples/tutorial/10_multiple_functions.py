"""Unlike functions at once: as tasks, or as partials that `call` calls."""

from taskpar import QueueExecutor, Task, call, partial


def inc(x: int) -> int:
    return x + 1


def dec(x: int) -> int:
    return x - 1


def add(x: int, y: int) -> int:
    return x + y


with QueueExecutor() as executor:
    print(executor.run([Task(inc, 4), Task(dec, 2), Task(add, 3, 4)]))
    print(list(executor.map(call, [partial(inc, 4), partial(dec, 2), partial(add, 3, 4)])))
    print(list(executor.starmap(call, [(inc, 4), (dec, 2), (add, 3, 4)])))

"""Names of processes: a process of one task has the task's name, a worker that stays a number."""

from multiprocessing import current_process

from taskpar import ProcessExecutor, QueueExecutor, Task


def service() -> str:
    return f"{current_process().name} is working"


with ProcessExecutor() as executor:
    first, second = Task(service).named("Service 1"), Task(service).named("Service 2")
    for line in executor.run([first, second, Task(service)]):
        print(line)

with QueueExecutor(1) as queue:
    print(queue.submit(service).result())

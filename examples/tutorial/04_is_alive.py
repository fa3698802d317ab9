"""Is the child still running? Ask the call's future, or look at the processes themselves."""

import time

from taskpar import ProcessExecutor, Task

with ProcessExecutor() as executor:
    future = executor.submit(Task(time.sleep, 0.5).named("Sleeper"))
    print("running:", future.running(), "done:", future.done())
    for worker in executor.workers():
        print(worker.name, "alive:", worker.alive, "exit code:", worker.exitcode)

    future.result()
    print("running:", future.running(), "done:", future.done())

print("processes left:", len(executor.workers()))

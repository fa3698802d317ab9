"""Waiting for a child, in three ways: its result, the end of the block, or not at all."""

import time

from taskpar import ProcessExecutor


def sleep() -> str:
    time.sleep(0.3)
    return "slept well"


with ProcessExecutor() as executor:
    future = executor.submit(sleep)
    print("the parent goes on, the child is done:", future.done())
    print("result() waits:", future.result())

with ProcessExecutor() as executor:
    future = executor.submit(sleep)
print("the block has waited, the child is done:", future.done())

executor = ProcessExecutor()
future = executor.submit(sleep)
executor.shutdown(wait=False)
print("shutdown(wait=False) has not, the child is done:", future.done())
print("its result comes all the same:", future.result())

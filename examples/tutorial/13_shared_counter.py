"""Thirty processes count up one counter: an ordinary argument, exact, without a lock to hold."""

from taskpar import ProcessExecutor, SharedCounter


def visit(visitors: SharedCounter) -> None:
    visitors.add()


visitors = SharedCounter()
with ProcessExecutor() as executor:
    for _ in range(30):
        executor.submit(visit, visitors)
print(visitors.value)

"""One process runs one function, and is gone: a fresh one for each task."""

from taskpar import ProcessExecutor


def greet(name: str) -> None:
    print(f"hello {name}")


with ProcessExecutor() as executor:
    executor.submit(greet, "Peter")

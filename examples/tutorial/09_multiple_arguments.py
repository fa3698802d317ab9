"""A function of two arguments, called for rows of them, or for a list of each."""

from taskpar import parallel


@parallel
def power(x: float, n: int) -> float:
    return x**n


print(power(2, 10))  # a plain call, here
print(list(power.starmap([(2, 2), (4, 3), (5, 5)])))
print(list(power.map((2, 4, 5), (2, 3, 5))))

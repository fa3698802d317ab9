"""What the rounds say: medians, ratios round by round, and whether a target is met.

Only figures of one round are divided by each other. Where the middle half of the ratios lies on
both sides of a bound, the machine was too noisy to tell.
"""

from collections.abc import Sequence
from statistics import median, quantiles
from typing import Literal, NamedTuple

from .pools import COMPARED, PEERS
from .turns import Rounds
from .workload import Target, Workload

Verdict = Literal["yes", "no", "unclear", ""]


class Ratio(NamedTuple):
    """Ours to another's.

    Args:
        to: Who the other is.
        middle: The median of the rounds.
        low: The least.
        high: The most.
        bound: What it may be at most.
        met: Whether it is.
    """

    to: str
    middle: float
    low: float
    high: float
    bound: float
    met: Verdict


class Row(NamedTuple):
    """What is known of a workload.

    Args:
        key: Its word.
        title: What is done.
        figure: Which figure is compared.
        medians: That figure by who took part.
        late: Who did not end in time.
        failed: Who failed, and the last words.
        ratios: What is compared to targets.
        rounds: How many rounds there were.
        aims: Whether there is a target at all.
    """

    key: str
    title: str
    figure: str
    medians: dict[str, float]
    late: list[str]
    failed: dict[str, str]
    ratios: list[Ratio]
    rounds: int
    aims: bool = True

    @property
    def met(self) -> Verdict:
        """Whether all targets are met, if there are any; without figures of ours, none is."""
        if not self.aims:
            return ""
        if not self.ratios:
            return "no"
        verdicts = {ratio.met for ratio in self.ratios}
        return "no" if "no" in verdicts else "unclear" if "unclear" in verdicts else "yes"


def row(key: str, workload: Workload, rounds: Rounds, ours: str = COMPARED) -> Row:
    """Compare what the rounds of a workload took."""
    found = {
        name: [taken.figures[workload.figure] for taken in some if workload.figure in taken.figures]
        for name, some in rounds.items()
    }
    medians = {name: median(figures) for name, figures in found.items() if figures}
    return Row(
        key,
        workload.title,
        workload.figure,
        medians,
        [name for name, some in rounds.items() if any(taken.late for taken in some)],
        {name: taken.failed for name, some in rounds.items() for taken in some if taken.failed},
        _ratios(workload, found, medians, ours),
        max(map(len, rounds.values()), default=0),
        workload.target != Target(),
    )


def _ratios(
    workload: Workload, found: dict[str, list[float]], medians: dict[str, float], ours: str
) -> list[Ratio]:
    """Compare to whatever the workload has a target for."""
    if ours not in medians:
        return []
    target = workload.target
    peers = [name for name in medians if name in PEERS]
    peer = target.to or min(peers, key=medians.__getitem__, default="")
    bounds = [(peer, target.peer), ("limit", target.limit), ("serial", target.serial)]
    ratios = [
        _ratio(other, [a / b for a, b in zip(found[ours], found[other], strict=False)], bound)
        for other, bound in bounds
        if bound is not None and found.get(other)
    ]
    if target.most is not None:
        ratios.append(_ratio("", found[ours], target.most))
    return ratios


def _ratio(to: str, ratios: Sequence[float], bound: float) -> Ratio:
    low, high = min(ratios), max(ratios)
    # Two rounds or three have no middle half: all of them count.
    first, last = (low, high) if len(ratios) < 4 else quantiles(ratios, method="inclusive")[::2]
    met: Verdict = "yes" if last <= bound else "no" if first > bound else "unclear"
    return Ratio(to, median(ratios), low, high, bound, met)

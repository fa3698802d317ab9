"""Pictures of what was measured: ratios, what a call costs of many, and who worked when."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .figures import Row
from .pools import LIBRARIES
from .turns import Rounds

# Not `import matplotlib`: so nobody else needs it, type-checkers included.
mpl = import_module("matplotlib")
mpl.use("svg")
plt = import_module("matplotlib.pyplot")

COLORS = {"yes": "#3a7d44", "no": "#b5442e", "unclear": "#c9a227"}


def draw(rows: Sequence[Row], rounds: dict[str, Rounds], folder: Path) -> None:
    """Draw all pictures for which there are figures."""
    mpl.rcParams["svg.hashsalt"] = "taskpar"  # the same picture of the same figures
    _ratios(rows, folder / "bench-ratios.svg")
    if "growth" in rounds:
        _growth(rounds["growth"], folder / "bench-growth.svg")
    if "tail-sorted" in rounds:
        _timeline(rounds["tail-sorted"], folder / "bench-timeline.svg")


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None}, dpi=150)
    plt.close(figure)


def _ratios(rows: Sequence[Row], path: Path) -> None:
    """Draw how long ours takes in units of the best peer; the mark is what is to be reached."""
    drawn = [(row, ratio) for row in rows for ratio in row.ratios[:1] if ratio.to in LIBRARIES]
    figure, axes = plt.subplots(figsize=(8, 0.35 * len(drawn) + 1))
    for y, (_, ratio) in enumerate(reversed(drawn)):
        axes.barh(y, ratio.middle, color=COLORS[ratio.met], height=0.6)
        axes.plot([ratio.low, ratio.high], [y, y], color="black", linewidth=1)
        axes.plot([ratio.bound] * 2, [y - 0.4, y + 0.4], color="black", linewidth=2)
        axes.text(ratio.high, y, f"  {LIBRARIES[ratio.to].title}", va="center", fontsize=7)
    axes.set_yticks(range(len(drawn)), [row.key for row, _ in reversed(drawn)], fontsize=8)
    axes.set_xscale("log")
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xlabel(
        "time of QueueExecutor in units of a peer, the best unless one is wanted (less is better)"
    )
    _save(figure, path)


def _growth(rounds: Rounds, path: Path) -> None:
    """Draw what a call costs over how many there are."""
    figure, axes = plt.subplots(figsize=(8, 4))
    for name, some in rounds.items():
        figures = some[0].figures
        calls = [n for n in (10**power for power in range(3, 8)) if str(n) in figures]
        title = LIBRARIES[name].title.strip("`") if name in LIBRARIES else name
        width = 3 if name == "queue" else 1
        axes.plot(calls, [figures[str(n)] * 1e6 for n in calls], "o-", label=title, linewidth=width)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("calls of x * x in one map")
    axes.set_ylabel("microseconds for each")
    axes.legend(fontsize=7)
    _save(figure, path)


def _timeline(rounds: Rounds, path: Path) -> None:
    """Draw who worked when on calls of very unlike length, the longest last."""
    shown = [name for name in ("limit", "queue", "mp", "cf", "joblib") if rounds.get(name)]
    figure, axes = plt.subplots(figsize=(8, 0.8 * len(shown) + 1))
    labels: list[tuple[float, str]] = []
    for y, name in enumerate(reversed(shown)):
        figures = rounds[name][0].figures
        for i in range(sum(key.startswith("begin ") for key in figures)):
            begin, end = figures[f"begin {i}"], figures[f"end {i}"]
            lane = 2.5 * y + figures[f"worker {i}"]
            style = {"height": 0.8, "linewidth": 0.3, "edgecolor": "white"}
            # As dots: hundreds of calls for each are too many shapes for a page.
            axes.barh(lane, end - begin, left=begin, rasterized=True, **style)
        title = LIBRARIES[name].title.strip("`") if name in LIBRARIES else name
        labels.append((2.5 * y + 0.5, title))
    axes.set_yticks([y for y, _ in labels], [title for _, title in labels], fontsize=8)
    axes.set_xlabel("seconds; a lane for each worker, a bar for each call")
    _save(figure, path)

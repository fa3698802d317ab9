"""The words of the table, found from what a cell has told."""

from .run import Found
from .tasks import BAD, ITEMS

LONG = 3.0  # seconds: from here on the time is told too


def verdict(found: Found) -> str:
    """Say in a few words what became of the calls and of the pool.

    ===============  ============================================================================
    only 3           the seven other results arrived; the call at fault is an error of its own
    original         the same, and that error is the very one which the serial program would raise
    rest lost        no result arrived from behind the call at fault
    2 others lost    the same number of results did not arrive, wherever they were
    pool dead        results are lost, and the pool takes no more calls
    hang             no answer within the time
    caller exits     the calling program ended without an answer
    failed           the cell itself could not be run
    ===============  ============================================================================
    """
    if "answers" not in found and "word" not in found:
        return "failed" if "failed" in found else "hang" if found["late"] else "caller exits"
    parts = [_answers(found) if "answers" in found else str(found["word"])]
    seconds = found.get("seconds", 0.0)
    if isinstance(seconds, float) and seconds > LONG:
        parts.append(f"{seconds:.1f} s")
    parts += _afterwards(found)
    return ", ".join(parts)


def usable(found: Found) -> bool:
    """Tell whether the pool could be used after the fault."""
    return found.get("usable") is True


def _answers(found: Found) -> str:
    answers = found["answers"]
    assert isinstance(answers, list)
    arrived = {place for place, answer in enumerate(answers) if answer == 2 * place}
    lost = set(range(ITEMS)) - arrived - {BAD}
    if not lost:
        if not isinstance(answers[BAD], str):
            return "no fault"
        return "original" if found["original"] else "only 3"
    if not usable(found):
        return "pool dead"
    if max(arrived, default=0) <= BAD:
        return "rest lost"
    return f"{len(lost)} others lost"


def _afterwards(found: Found) -> list[str]:
    """Name what went wrong when the answers were there."""
    if "failed" in found:
        return ["exit raises"]
    if "answers" in found and "usable" not in found:
        return ["then hangs"]
    if found["late"]:
        return ["exit hangs"]
    if "answers" in found and not usable(found) and _answers(found) != "pool dead":
        return ["pool dead"]
    return []

"""Calls that fail, never end or kill their process, beside calls that do their work.

Each may take a second. A refusal or a death is worth another try, after a while; who does not
answer in time is not asked again. All others get their answer, in order.
"""

import os
import time
from collections.abc import Iterable

from taskpar import QueueExecutor, SharedCounter, WorkerDiedError, backoff

PAGES = ("home", "busy", "silent", "deadly", "news")


def fetch(page: str, tries: SharedCounter) -> str:
    """Ask for a page; what happens is in its name."""
    tries.add()
    if page == "busy" and tries.value < 3:
        raise ConnectionError("come again")
    if page == "silent":
        time.sleep(60)
    if page == "deadly" and tries.value == 1:
        os._exit(1)  # as a crash in C code would
    return f"this is {page}"


with QueueExecutor(2) as executor:
    patient = executor.options(
        time_limit=1.0,
        retries=3,
        retry_on=(ConnectionError, WorkerDiedError),
        retry_delay=backoff(0.05),
        on_error="return",
    )
    tries = [SharedCounter() for _ in PAGES]
    answers: Iterable[str | Exception] = patient.map(fetch, PAGES, tries)
    for page, tried, answer in zip(PAGES, tries, answers, strict=True):
        found = type(answer).__name__ if isinstance(answer, Exception) else answer
        print(f"{page}: {found}, tries: {tried.value}")

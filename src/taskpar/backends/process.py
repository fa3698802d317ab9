"""A fresh process for every call: started for it, named after it, ended with it."""

from taskpar.backends.queue import QueueBackend


class ProcessBackend(QueueBackend):
    """Workers that run one call each."""

    largest_batch: int | None = 1
    named_after_task = True

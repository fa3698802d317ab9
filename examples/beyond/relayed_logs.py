"""What tasks log and print comes home, in order, wherever they ran; and they know whose they are.

The handler is the caller's, and set up only here. The request is a context variable, which goes
with each call.
"""

import logging
import sys
from contextvars import ContextVar

from taskpar import QueueExecutor

request = ContextVar("request", default="nobody")
log = logging.getLogger("kitchen")


def bake(cake: str) -> str:
    """Bake a cake, and tell of it."""
    log.info("%s for %s", cake, request.get())
    print("the oven is hot")
    return cake.upper()


logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s: %(message)s")
request.set("Ada")
with QueueExecutor(2) as executor:
    print(list(executor.options(relay="all").map(bake, ["apple", "cherry", "plum"])))

"""Threads for what waits: eight answers of a slow server take little more time than one.

A thread costs nothing to start, shares the memory of the program, and lets others run while it
waits. For what computes, change the one word `ThreadExecutor`.
"""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import urlopen

from taskpar import ThreadExecutor

DELAY = 0.2  # seconds that the server takes for an answer


class Slow(BaseHTTPRequestHandler):
    """Says which page was asked for, after a while."""

    def do_GET(self) -> None:
        """Answer."""
        time.sleep(DELAY)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"this is {self.path}".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Keep quiet."""


def fetch(url: str) -> str:
    with urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
Thread(target=server.serve_forever, daemon=True).start()
pages = [f"http://127.0.0.1:{server.server_port}/page-{number}" for number in range(8)]

start = time.perf_counter()
with ThreadExecutor(8) as executor:
    for text in executor.map(fetch, pages):
        print(text)
seconds = time.perf_counter() - start
print(f"{seconds:.2f} s for {len(pages)} waits of {DELAY} s")

server.shutdown()
server.server_close()

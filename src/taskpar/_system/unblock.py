"""Imported by a fork server of ours, last of all modules: lets Ctrl-C through again.

It was started with that blocked, as it would die of it, and tell at length, before it can ignore
it. What has been pressed by now is forgotten; the server's own children are as they always are.
"""

import signal

if hasattr(signal, "pthread_sigmask") and signal.SIGINT in signal.pthread_sigmask(
    signal.SIG_BLOCK, ()
):
    _before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, _before)

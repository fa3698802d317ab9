"""How long a batch takes: who cuts batches and who runs them agree on it."""

TARGET_SECONDS = 0.01
"""How long a batch should take: long against the 0.1 ms of a message there and back, short
against what a reader notices, so that a batch costs neither throughput nor latency."""

ALONE = 4
"""How many times as long a batch of a job may take that no other waits beside, where its worker
hands over what is done meanwhile: it need not wait for the next batch so often, and the caller has
fewer to send."""
